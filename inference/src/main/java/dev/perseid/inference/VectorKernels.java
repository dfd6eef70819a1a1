package dev.perseid.inference;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/// The loops with the Vector API.
final class VectorKernels implements Kernels {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = S.length();
  private static final VectorSpecies<Byte> BYTES =
      VectorSpecies.of(
          byte.class, LANES >= 8 ? VectorShape.forBitSize(8 * LANES) : VectorShape.S_64_BIT);

  /// Whether this CPU has lanes that suit a panel.
  static boolean fits() {
    return LANES >= 8 && PANEL % (4 * LANES) == 0;
  }

  @Override
  public void mix(
      float[] w, int at, int stride, int n, float[] x, int xAt, float[] out, int outAt, int lanes) {
    int lane = 0;
    for (; lane + 4 * LANES <= lanes; lane += 4 * LANES) {
      int o = outAt + lane;
      FloatVector a = FloatVector.fromArray(S, out, o);
      FloatVector b = FloatVector.fromArray(S, out, o + LANES);
      FloatVector c = FloatVector.fromArray(S, out, o + 2 * LANES);
      FloatVector d = FloatVector.fromArray(S, out, o + 3 * LANES);
      int from = at + lane;
      for (int i = 0; i < n; i++, from += stride) {
        FloatVector v = FloatVector.broadcast(S, x[xAt + i]);
        a = FloatVector.fromArray(S, w, from).fma(v, a);
        b = FloatVector.fromArray(S, w, from + LANES).fma(v, b);
        c = FloatVector.fromArray(S, w, from + 2 * LANES).fma(v, c);
        d = FloatVector.fromArray(S, w, from + 3 * LANES).fma(v, d);
      }
      a.intoArray(out, o);
      b.intoArray(out, o + LANES);
      c.intoArray(out, o + 2 * LANES);
      d.intoArray(out, o + 3 * LANES);
    }
    for (; lane + LANES <= lanes; lane += LANES) {
      FloatVector a = FloatVector.fromArray(S, out, outAt + lane);
      int from = at + lane;
      for (int i = 0; i < n; i++, from += stride) {
        a = FloatVector.fromArray(S, w, from).fma(FloatVector.broadcast(S, x[xAt + i]), a);
      }
      a.intoArray(out, outAt + lane);
    }
    for (; lane < lanes; lane++) {
      float a = out[outAt + lane];
      for (int i = 0; i < n; i++) {
        a = Math.fma(w[at + i * stride + lane], x[xAt + i], a);
      }
      out[outAt + lane] = a;
    }
  }

  @Override
  public void mix2(
      float[] w, int at, int n, float[] x, int xAt, int x2At, float[] out, int outAt, int out2At) {
    for (int lane = 0; lane < PANEL; lane += 4 * LANES) {
      int o = outAt + lane;
      int p = out2At + lane;
      FloatVector a = FloatVector.fromArray(S, out, o);
      FloatVector b = FloatVector.fromArray(S, out, o + LANES);
      FloatVector c = FloatVector.fromArray(S, out, o + 2 * LANES);
      FloatVector d = FloatVector.fromArray(S, out, o + 3 * LANES);
      FloatVector e = FloatVector.fromArray(S, out, p);
      FloatVector f = FloatVector.fromArray(S, out, p + LANES);
      FloatVector g = FloatVector.fromArray(S, out, p + 2 * LANES);
      FloatVector h = FloatVector.fromArray(S, out, p + 3 * LANES);
      int from = at + lane;
      for (int i = 0; i < n; i++, from += PANEL) {
        FloatVector v = FloatVector.broadcast(S, x[xAt + i]);
        FloatVector u = FloatVector.broadcast(S, x[x2At + i]);
        FloatVector w0 = FloatVector.fromArray(S, w, from);
        FloatVector w1 = FloatVector.fromArray(S, w, from + LANES);
        a = w0.fma(v, a);
        e = w0.fma(u, e);
        b = w1.fma(v, b);
        f = w1.fma(u, f);
        FloatVector w2 = FloatVector.fromArray(S, w, from + 2 * LANES);
        FloatVector w3 = FloatVector.fromArray(S, w, from + 3 * LANES);
        c = w2.fma(v, c);
        g = w2.fma(u, g);
        d = w3.fma(v, d);
        h = w3.fma(u, h);
      }
      a.intoArray(out, o);
      b.intoArray(out, o + LANES);
      c.intoArray(out, o + 2 * LANES);
      d.intoArray(out, o + 3 * LANES);
      e.intoArray(out, p);
      f.intoArray(out, p + LANES);
      g.intoArray(out, p + 2 * LANES);
      h.intoArray(out, p + 3 * LANES);
    }
  }

  private static FloatVector floats(byte[] q, int at) {
    return (FloatVector) ByteVector.fromArray(BYTES, q, at).convertShape(VectorOperators.B2F, S, 0);
  }

  @Override
  public void mixBytes(
      byte[] q,
      int at,
      float[] scale,
      float[] min,
      int runAt,
      int run,
      int n,
      float[] x,
      int xAt,
      float[] sums,
      int sumsAt,
      float[] out,
      int outAt) {
    for (int lane = 0; lane < PANEL; lane += 4 * LANES) {
      int o = outAt + lane;
      FloatVector a = FloatVector.fromArray(S, out, o);
      FloatVector b = FloatVector.fromArray(S, out, o + LANES);
      FloatVector c = FloatVector.fromArray(S, out, o + 2 * LANES);
      FloatVector d = FloatVector.fromArray(S, out, o + 3 * LANES);
      int from = at + lane;
      int s = runAt + lane;
      for (int r = 0; r < n / run; r++, s += PANEL) {
        FloatVector e = FloatVector.zero(S);
        FloatVector f = e;
        FloatVector g = e;
        FloatVector h = e;
        for (int i = 0; i < run; i++, from += PANEL) {
          FloatVector v = FloatVector.broadcast(S, x[xAt + r * run + i]);
          e = floats(q, from).fma(v, e);
          f = floats(q, from + LANES).fma(v, f);
          g = floats(q, from + 2 * LANES).fma(v, g);
          h = floats(q, from + 3 * LANES).fma(v, h);
        }
        FloatVector u = FloatVector.broadcast(S, -sums[sumsAt + r]);
        a = FloatVector.fromArray(S, min, s).fma(u, FloatVector.fromArray(S, scale, s).fma(e, a));
        b =
            FloatVector.fromArray(S, min, s + LANES)
                .fma(u, FloatVector.fromArray(S, scale, s + LANES).fma(f, b));
        c =
            FloatVector.fromArray(S, min, s + 2 * LANES)
                .fma(u, FloatVector.fromArray(S, scale, s + 2 * LANES).fma(g, c));
        d =
            FloatVector.fromArray(S, min, s + 3 * LANES)
                .fma(u, FloatVector.fromArray(S, scale, s + 3 * LANES).fma(h, d));
      }
      a.intoArray(out, o);
      b.intoArray(out, o + LANES);
      c.intoArray(out, o + 2 * LANES);
      d.intoArray(out, o + 3 * LANES);
    }
  }

  @Override
  public String name() {
    return "vector " + 32 * LANES;
  }
}
