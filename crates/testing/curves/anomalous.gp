\\ Makes an anomalous curve: one with as many points as its field has elements, on which discrete
\\ logarithms are easy. Its j-invariant is -2^15, the discriminant -11: p is 11m(m + 1) + 3.
\\
\\   gp -q crates/testing/curves/anomalous.gp <<< 'anomalous(200)'
anomalous(bits) = {
  my(m, p, k, E, G);
  setrand(bits);
  until(isprime(p), m = random(2^(bits \ 2 - 1)); p = 11 * m * (m + 1) + 3);
  k = Mod(-32768, p) / (1728 + 32768);
  for(twist = 1, p,
    E = ellinit([3 * k * twist^2, 2 * k * twist^3], p);
    if(ellcard(E) == p, break));
  G = random(E);
  printf("%x\n%x\n%x\n%x\n%x\n", p, lift(E.a4), lift(E.a6), lift(G[1]), lift(G[2]));
}
