package dev.perseid.inference;

import java.util.Arrays;

/// A matrix of weights, kept in panels of [Kernels#PANEL] rows: within a panel, the weights of one
/// column stand side by side. Immutable.
final class Matrix {
  /// Work of a product, in multiplications, from which on it is shared among threads.
  private static final long SHARED_FROM = 1 << 17;

  private static final int PANEL = Kernels.PANEL;

  private final int rows;
  private final int columns;
  private final int run;
  private final float[][] floats;
  private final byte[][] bytes;
  private final float[][] scales;
  private final float[][] mins;

  private Matrix(
      int rows,
      int columns,
      int run,
      float[][] floats,
      byte[][] bytes,
      float[][] scales,
      float[][] mins) {
    this.rows = rows;
    this.columns = columns;
    this.run = run;
    this.floats = floats;
    this.bytes = bytes;
    this.scales = scales;
    this.mins = mins;
  }

  /// @param small whether quantised weights are kept as floats
  static Matrix of(Gguf file, Gguf.Tensor tensor, boolean small) throws ModelFileException {
    int rows = (int) tensor.rows();
    int columns = (int) tensor.columns();
    int panels = (rows + PANEL - 1) / PANEL;
    if ((long) columns * PANEL > Integer.MAX_VALUE - 16) {
      throw new ModelFileException("Rows of the tensor " + tensor.name() + " are too long.");
    }
    TensorType type = tensor.type();
    byte[] raw = new byte[(int) tensor.rowBytes()];
    if (small || type.run() == 0) {
      float[] row = new float[columns];
      float[][] floats = new float[panels][];
      for (int p = 0; p < panels; p++) {
        floats[p] = new float[columns * PANEL];
        for (int lane = 0; lane < PANEL && p * PANEL + lane < rows; lane++) {
          file.row(tensor, p * PANEL + lane, raw);
          type.floats(raw, columns, row);
          for (int c = 0; c < columns; c++) {
            floats[p][c * PANEL + lane] = row[c];
          }
        }
      }
      return new Matrix(rows, columns, 0, floats, new byte[0][], new float[0][], new float[0][]);
    }
    int run = type.run();
    int runs = columns / run;
    byte[] q = new byte[columns];
    float[] scale = new float[runs];
    float[] min = new float[runs];
    byte[][] bytes = new byte[panels][];
    float[][] scales = new float[panels][];
    float[][] mins = new float[panels][];
    for (int p = 0; p < panels; p++) {
      bytes[p] = new byte[columns * PANEL];
      scales[p] = new float[runs * PANEL];
      mins[p] = new float[runs * PANEL];
      for (int lane = 0; lane < PANEL && p * PANEL + lane < rows; lane++) {
        file.row(tensor, p * PANEL + lane, raw);
        type.bytes(raw, columns, q, scale, min);
        for (int c = 0; c < columns; c++) {
          bytes[p][c * PANEL + lane] = q[c];
        }
        for (int r = 0; r < runs; r++) {
          scales[p][r * PANEL + lane] = scale[r];
          mins[p][r * PANEL + lane] = min[r];
        }
      }
    }
    return new Matrix(rows, columns, run, new float[0][], bytes, scales, mins);
  }

  int rows() {
    return rows;
  }

  int columns() {
    return columns;
  }

  /// Length of a row of a product: the number of rows, rounded up to whole panels.
  int stride() {
    return (rows + PANEL - 1) / PANEL * PANEL;
  }

  /// One row, as floats.
  void row(int row, float[] out, int outAt) {
    int p = row / PANEL;
    int lane = row % PANEL;
    for (int c = 0; c < columns; c++) {
      int i = c * PANEL + lane;
      if (run == 0) {
        out[outAt + c] = floats[p][i];
      } else {
        int r = c / run * PANEL + lane;
        out[outAt + c] = scales[p][r] * bytes[p][i] - mins[p][r];
      }
    }
  }

  /// Multiplies each of `batch` vectors, `inStride` apart, with this matrix. Row b of the product
  /// begins at `out[b * stride()]`.
  void times(Kernels kernels, Crew crew, float[] in, int inStride, int batch, float[] out) {
    int stride = stride();
    int panels = stride / PANEL;
    float[] sums = run == 0 ? new float[0] : sums(in, inStride, batch);
    long work = (long) rows * columns * batch;
    if (work < SHARED_FROM || crew.threads() == 1 || panels == 1) {
      panels(kernels, 0, panels, in, inStride, batch, sums, out);
      return;
    }
    int parts = Math.min(panels, crew.threads() * 2);
    crew.each(
        parts,
        part ->
            panels(
                kernels,
                (int) ((long) panels * part / parts),
                (int) ((long) panels * (part + 1) / parts),
                in,
                inStride,
                batch,
                sums,
                out));
  }

  private float[] sums(float[] in, int inStride, int batch) {
    int runs = columns / run;
    float[] sums = new float[batch * runs];
    for (int b = 0; b < batch; b++) {
      for (int r = 0; r < runs; r++) {
        float sum = 0;
        int from = b * inStride + r * run;
        for (int i = 0; i < run; i++) {
          sum += in[from + i];
        }
        sums[b * runs + r] = sum;
      }
    }
    return sums;
  }

  private void panels(
      Kernels kernels,
      int first,
      int end,
      float[] in,
      int inStride,
      int batch,
      float[] sums,
      float[] out) {
    int stride = stride();
    for (int p = first; p < end; p++) {
      for (int b = 0; b < batch; b++) {
        int o = b * stride + p * PANEL;
        Arrays.fill(out, o, o + PANEL, 0);
      }
      if (run == 0) {
        int b = 0;
        for (; b + 2 <= batch; b += 2) {
          kernels.mix2(
              floats[p],
              0,
              columns,
              in,
              b * inStride,
              (b + 1) * inStride,
              out,
              b * stride + p * PANEL,
              (b + 1) * stride + p * PANEL);
        }
        if (b < batch) {
          kernels.mix(
              floats[p], 0, PANEL, columns, in, b * inStride, out, b * stride + p * PANEL, PANEL);
        }
      } else {
        for (int b = 0; b < batch; b++) {
          kernels.mixBytes(
              bytes[p],
              0,
              scales[p],
              mins[p],
              0,
              run,
              columns,
              in,
              b * inStride,
              sums,
              b * (columns / run),
              out,
              b * stride + p * PANEL);
        }
      }
    }
  }
}
