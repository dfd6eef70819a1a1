package dev.perseid.inference;

/// Plain loops, for a Java without the module `jdk.incubator.vector`.
final class ScalarKernels implements Kernels {
  @Override
  public void mix(
      float[] w, int at, int stride, int n, float[] x, int xAt, float[] out, int outAt, int lanes) {
    for (int i = 0; i < n; i++) {
      float v = x[xAt + i];
      int from = at + i * stride;
      for (int lane = 0; lane < lanes; lane++) {
        out[outAt + lane] = Math.fma(w[from + lane], v, out[outAt + lane]);
      }
    }
  }

  @Override
  public void mix2(
      float[] w, int at, int n, float[] x, int xAt, int x2At, float[] out, int outAt, int out2At) {
    mix(w, at, PANEL, n, x, xAt, out, outAt, PANEL);
    mix(w, at, PANEL, n, x, x2At, out, out2At, PANEL);
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
    float[] part = new float[PANEL];
    for (int r = 0; r < n / run; r++) {
      java.util.Arrays.fill(part, 0);
      for (int i = r * run; i < (r + 1) * run; i++) {
        float v = x[xAt + i];
        int from = at + i * PANEL;
        for (int lane = 0; lane < PANEL; lane++) {
          part[lane] = Math.fma(q[from + lane], v, part[lane]);
        }
      }
      int from = runAt + r * PANEL;
      float sum = -sums[sumsAt + r];
      for (int lane = 0; lane < PANEL; lane++) {
        float with = Math.fma(scale[from + lane], part[lane], out[outAt + lane]);
        out[outAt + lane] = Math.fma(min[from + lane], sum, with);
      }
    }
  }

  @Override
  public String name() {
    return "scalar";
  }
}
