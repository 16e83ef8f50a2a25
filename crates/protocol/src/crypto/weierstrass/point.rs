//! Points of a short Weierstrass curve of odd order, and the group they are.
//!
//! Coordinates are in Montgomery's form. The formulas are complete: they hold for equal, opposite
//! and infinite points alike, so that none of them is a special case that time would tell of.
//!
//! Source: J. Renes, C. Costello, L. Batina, "Complete addition formulas for prime order elliptic
//! curves", 2015, algorithms 1 and 2.

use alloc::vec::Vec;

use subtle::Choice;
use vschsm_montgomery::modulus::{self, Modulus};

/// A point x = X/Z, y = Y/Z; at infinity X and Z are 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<const L: usize> {
    pub(super) x: [u64; L],
    pub(super) y: [u64; L],
    pub(super) z: [u64; L],
}

/// A point that is not at infinity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine<const L: usize> {
    pub(super) x: [u64; L],
    pub(super) y: [u64; L],
}

/// The points of y² = x³ + ax + b.
#[derive(Debug)]
pub(super) struct Group<const L: usize> {
    pub(super) field: Modulus<L>,
    a: [u64; L],
    /// Whether a is -3, by which to multiply is three additions.
    a_is_minus_3: bool,
    b: [u64; L],
    /// 3b
    b3: [u64; L],
}

impl<const L: usize> Group<L> {
    /// The group over `field` with these coefficients, big-endian; none if one is out of range.
    pub(super) fn new(field: Modulus<L>, a: &[u8], b: &[u8]) -> Option<Self> {
        let [a, b] = [a, b].map(|bytes| field.number(bytes).map(|number| field.enter(&number)));
        let (a, b) = (a?, b?);
        let thrice = |number: &[u64; L]| field.add(&field.add(number, number), number);
        let (b3, minus_3) = (thrice(&b), field.negate(&thrice(field.one())));
        Some(Self { field, a, a_is_minus_3: a == minus_3, b, b3 })
    }

    /// Whether the curve has no singular point: 4a³ + 27b² is not 0.
    pub(super) fn is_smooth(&self) -> bool {
        let field = &self.field;
        let double = |a: &[u64; L]| field.add(a, a);
        let a_cubed = field.multiply(&field.multiply(&self.a, &self.a), &self.a);
        let b3_squared = field.multiply(&self.b3, &self.b3);
        let b27_squared = field.add(&double(&b3_squared), &b3_squared);
        !modulus::is_zero(&field.add(&double(&double(&a_cubed)), &b27_squared))
    }

    /// The point with these coordinates, big-endian; none if it is not on the curve.
    pub(super) fn point(&self, x: &[u8], y: &[u8]) -> Option<Affine<L>> {
        let field = &self.field;
        let [x, y] = [x, y].map(|bytes| field.number(bytes).map(|number| field.enter(&number)));
        let (x, y) = (x?, y?);
        let slope = field.add(&field.square(&x), &self.a);
        let right = field.add(&field.multiply(&slope, &x), &self.b);
        (field.square(&y) == right).then_some(Affine { x, y })
    }

    /// The point at infinity.
    pub(super) fn infinity(&self) -> Point<L> {
        Point { x: [0; L], y: *self.field.one(), z: [0; L] }
    }

    /// The same point.
    pub(super) fn projective(&self, point: &Affine<L>) -> Point<L> {
        Point { x: point.x, y: point.y, z: *self.field.one() }
    }

    /// The same points, none of which may be at infinity, for the price of one inversion.
    pub(super) fn affine(&self, points: &[Point<L>]) -> Vec<Affine<L>> {
        let field = &self.field;
        let mut product = *field.one();
        let mut products = Vec::with_capacity(points.len());
        for point in points {
            products.push(product);
            product = field.multiply(&product, &point.z);
        }
        let mut inverse = field.invert(&product);
        let mut affine = Vec::with_capacity(points.len());
        for (point, product) in points.iter().zip(&products).rev() {
            let own = field.multiply(&inverse, product);
            inverse = field.multiply(&inverse, &point.z);
            affine.push(Affine {
                x: field.multiply(&point.x, &own),
                y: field.multiply(&point.y, &own),
            });
        }
        affine.reverse();
        affine
    }

    /// Algorithm 1.
    pub(super) fn add(&self, p: &Point<L>, q: &Point<L>) -> Point<L> {
        let field = &self.field;
        let xx = field.multiply(&p.x, &q.x);
        let yy = field.multiply(&p.y, &q.y);
        let zz = field.multiply(&p.z, &q.z);
        let xy = self.crossed([&p.x, &p.y], [&q.x, &q.y], [&xx, &yy]);
        let xz = self.crossed([&p.x, &p.z], [&q.x, &q.z], [&xx, &zz]);
        let yz = self.crossed([&p.y, &p.z], [&q.y, &q.z], [&yy, &zz]);
        self.sum([&xx, &yy, &zz], [&xy, &xz, &yz])
    }

    /// Algorithm 2: one of the points is not at infinity.
    pub(super) fn add_affine(&self, p: &Point<L>, q: &Affine<L>) -> Point<L> {
        let field = &self.field;
        let xx = field.multiply(&p.x, &q.x);
        let yy = field.multiply(&p.y, &q.y);
        let xy = self.crossed([&p.x, &p.y], [&q.x, &q.y], [&xx, &yy]);
        let xz = field.add(&field.multiply(&q.x, &p.z), &p.x);
        let yz = field.add(&field.multiply(&q.y, &p.z), &p.y);
        self.sum([&xx, &yy, &p.z], [&xy, &xz, &yz])
    }

    /// p1·q2 + p2·q1, of the products p1·q1 and p2·q2.
    fn crossed(
        &self,
        [p1, p2]: [&[u64; L]; 2],
        [q1, q2]: [&[u64; L]; 2],
        [product1, product2]: [&[u64; L]; 2],
    ) -> [u64; L] {
        let field = &self.field;
        let product = field.multiply(&field.add(p1, p2), &field.add(q1, q2));
        field.subtract(&product, &field.add(product1, product2))
    }

    fn times_a(&self, number: &[u64; L]) -> [u64; L] {
        let field = &self.field;
        match self.a_is_minus_3 {
            true => field.negate(&field.add(&field.add(number, number), number)),
            false => field.multiply(&self.a, number),
        }
    }

    /// What algorithms 1 and 2 have in common: the sum of two points of the products of like
    /// coordinates, and of x1y2 + x2y1, x1z2 + x2z1, y1z2 + y2z1.
    fn sum(&self, [xx, yy, zz]: [&[u64; L]; 3], [xy, xz, yz]: [&[u64; L]; 3]) -> Point<L> {
        let field = &self.field;
        let a_zz = self.times_a(zz);
        let shift = field.add(&field.multiply(&self.b3, zz), &self.times_a(xz));
        let (low, high) = (field.subtract(yy, &shift), field.add(yy, &shift));
        let slope = field.add(&field.add(&field.add(xx, xx), xx), &a_zz);
        let rest =
            field.add(&field.multiply(&self.b3, xz), &self.times_a(&field.subtract(xx, &a_zz)));
        Point {
            x: field.subtract(&field.multiply(xy, &low), &field.multiply(yz, &rest)),
            y: field.add(&field.multiply(&low, &high), &field.multiply(&slope, &rest)),
            z: field.add(&field.multiply(yz, &high), &field.multiply(xy, &slope)),
        }
    }

    /// `p` times 2 to the power of `times`.
    ///
    /// In Jacobian coordinates, x = X/Z² and y = Y/Z³, with aZ⁴ carried along: half the work of
    /// algorithm 3. The point at infinity is the one exception, as Z stays 0 and Y does as well.
    ///
    /// Source: H. Cohen, A. Miyaji, T. Ono, "Efficient elliptic curve exponentiation using mixed
    /// coordinates", 1998, 4.
    pub(super) fn double(&self, p: &Point<L>, times: usize) -> Point<L> {
        let field = &self.field;
        let twice = |a: &[u64; L]| field.add(a, a);
        let zz = field.square(&p.z);
        let (mut x, mut y, mut z) = (field.multiply(&p.x, &p.z), field.multiply(&p.y, &zz), p.z);
        let mut a_zzzz = self.times_a(&field.square(&zz));
        for _ in 0..times {
            let (xx, yy2) = (field.square(&x), twice(&field.square(&y)));
            let xyy4 = twice(&field.multiply(&x, &yy2));
            let yyyy8 = twice(&field.square(&yy2));
            let slope = field.add(&field.add(&twice(&xx), &xx), &a_zzzz);
            z = twice(&field.multiply(&y, &z));
            x = field.subtract(&field.square(&slope), &twice(&xyy4));
            y = field.subtract(&field.multiply(&slope, &field.subtract(&xyy4, &x)), &yyyy8);
            a_zzzz = twice(&field.multiply(&yyyy8, &a_zzzz));
        }
        let zzz = field.multiply(&z, &field.square(&z));
        let mut doubled = Point { x: field.multiply(&x, &z), y, z: zzz };
        doubled.assign(&self.infinity(), Choice::from(u8::from(modulus::is_zero(&z))));
        doubled
    }
}

impl<const L: usize> Point<L> {
    /// Makes it the `other` one if `choice` is set.
    pub(super) fn assign(&mut self, other: &Self, choice: Choice) {
        modulus::assign(&mut self.x, &other.x, choice);
        modulus::assign(&mut self.y, &other.y, choice);
        modulus::assign(&mut self.z, &other.z, choice);
    }

    /// Whether it is the point at infinity, and not what a formula makes of points for which it
    /// does not hold.
    pub(super) fn is_infinity(&self) -> bool {
        modulus::is_zero(&self.x) && modulus::is_zero(&self.z) && !modulus::is_zero(&self.y)
    }
}

impl<const L: usize> Affine<L> {
    /// Makes it the `other` one if `choice` is set.
    pub(super) fn assign(&mut self, other: &Self, choice: Choice) {
        modulus::assign(&mut self.x, &other.x, choice);
        modulus::assign(&mut self.y, &other.y, choice);
    }
}
