package dev.perseid.inference;

/// The inner loops. Every sum is taken in the order of its terms, one fused multiply-add a term,
/// each in a lane of its own; so the results do not depend, not even in the last bit, on how many
/// lanes a CPU has, how many rows stand in a batch, or which of the two forms is used.
sealed interface Kernels permits ScalarKernels, VectorKernels {
  /// Rows of a matrix that stand together; a multiple of all lane counts.
  int PANEL = 64;

  /// The form that this Java can run: with the Vector API where the module `jdk.incubator.vector`
  /// was added, else in plain loops, which are slower.
  static Kernels pick() {
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent() && VectorKernels.fits()
        ? new VectorKernels()
        : new ScalarKernels();
  }

  /// Adds `x[xAt + i] * w[at + i * stride + lane]` over all i below n to `out[outAt + lane]`, for
  /// every lane below lanes.
  void mix(
      float[] w, int at, int stride, int n, float[] x, int xAt, float[] out, int outAt, int lanes);

  /// The same for two vectors at once, over [#PANEL] lanes and with that stride.
  void mix2(
      float[] w, int at, int n, float[] x, int xAt, int x2At, float[] out, int outAt, int out2At);

  /// For each run of weights: adds `scale * sum(q * x) - min * sums`, over [#PANEL] lanes.
  ///
  /// @param at where the panel's bytes begin in q
  /// @param runAt where its scales and mins begin
  /// @param sums sums of x over each run
  void mixBytes(
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
      int outAt);

  /// Its name in records.
  String name();
}
