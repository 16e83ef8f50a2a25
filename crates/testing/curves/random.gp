\\ Makes a curve that nobody has named: random, over a random field of `bits` bits, of prime order.
\\ It prints p, a, b, x and y of a base point, and its order n, in hexadecimal.
\\
\\ With Debian's pari-gp:
\\
\\   for bits in 163 251 390; do
\\     gp -q crates/testing/curves/random.gp <<< "default(parisizemax, 2^30)"$'\n'"curve($bits)" > crates/testing/curves/$bits
\\   done
curve(bits) = {
  my(p, a, b, E, n, G);
  setrand(bits);
  p = randomprime([2^(bits - 1), 2^bits]);
  until(isprime(n) && n != p,
    a = random(p);
    b = random(p);
    E = ellinit([a, b], p);
    n = if(#E && E.disc != 0, ellsea(E, 1)));
  G = random(E);
  printf("%x\n%x\n%x\n%x\n%x\n%x\n", p, a, b, lift(G[1]), lift(G[2]), n);
}
