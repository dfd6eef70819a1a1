package dev.perseid.inference;

import java.util.ArrayList;
import java.util.List;

/// The forward pass once more, written as simply as it can be, in doubles and without a cache: what
/// the engine is held against.
final class PlainLlama {
  private final Gguf file;
  private final String a;
  private final int heads;
  private final int kvHeads;
  private final int size;
  private final boolean halves;

  PlainLlama(Gguf file) throws ModelFileException {
    this.file = file;
    a = file.text("general.architecture").orElseThrow() + ".";
    heads = file.number(a + "attention.head_count", 1, 99);
    kvHeads = file.number(a + "attention.head_count_kv", 1, 99);
    int width = file.number(a + "embedding_length", 1, 9999);
    size = file.number(a + "attention.key_length").orElse((long) width / heads).intValue();
    halves = a.startsWith("qwen");
  }

  private double[][] weights(String name) {
    Gguf.Tensor t = file.tensor(name).orElseThrow();
    double[][] out = new double[(int) t.rows()][(int) t.columns()];
    byte[] raw = new byte[(int) t.rowBytes()];
    float[] row = new float[(int) t.columns()];
    for (int r = 0; r < out.length; r++) {
      file.row(t, r, raw);
      t.type().floats(raw, row.length, row);
      for (int c = 0; c < row.length; c++) {
        out[r][c] = row[c];
      }
    }
    return out;
  }

  private double[] times(String name, double[] x) {
    double[][] w = weights(name + ".weight");
    double[] out = new double[w.length];
    for (int r = 0; r < w.length; r++) {
      for (int c = 0; c < x.length; c++) {
        out[r] += w[r][c] * x[c];
      }
    }
    if (file.tensor(name + ".bias").isPresent()) {
      double[] bias = weights(name + ".bias")[0];
      for (int r = 0; r < out.length; r++) {
        out[r] += bias[r];
      }
    }
    return out;
  }

  private double[] norm(double[] x, String name) throws ModelFileException {
    double[] w = weights(name)[0];
    double sum = 0;
    for (double v : x) {
      sum += v * v;
    }
    double eps = file.real(a + "attention.layer_norm_rms_epsilon").orElseThrow();
    double[] out = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = x[i] / Math.sqrt(sum / x.length + eps) * w[i];
    }
    return out;
  }

  private double[] head(double[] all, int head, int position, String norm)
      throws ModelFileException {
    double[] z = java.util.Arrays.copyOfRange(all, head * size, (head + 1) * size);
    if (file.tensor(norm).isPresent()) {
      z = norm(z, norm);
    }
    double scale = 1 / file.real(a + "rope.scaling.factor").orElse(1.0);
    double base = file.real(a + "rope.freq_base").orElseThrow();
    double[] out = new double[size];
    for (int i = 0; i < size / 2; i++) {
      double angle = position * scale * Math.pow(base, -2.0 * i / size);
      int p = halves ? i : 2 * i;
      int q = halves ? i + size / 2 : 2 * i + 1;
      out[p] = z[p] * Math.cos(angle) - z[q] * Math.sin(angle);
      out[q] = z[p] * Math.sin(angle) + z[q] * Math.cos(angle);
    }
    return out;
  }

  /// Logits after each of some tokens.
  double[][] logits(int[] tokens) throws ModelFileException {
    int n = tokens.length;
    double[][] embedding = weights("token_embd.weight");
    double[][] x = new double[n][];
    for (int i = 0; i < n; i++) {
      x[i] = embedding[tokens[i]].clone();
    }
    for (int l = 0; l < file.number(a + "block_count", 1, 99); l++) {
      String p = "blk." + l + ".";
      List<double[]> ks = new ArrayList<>();
      List<double[]> vs = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        double[] h = norm(x[i], p + "attn_norm.weight");
        double[] q = times(p + "attn_q", h);
        ks.add(times(p + "attn_k", h));
        vs.add(times(p + "attn_v", h));
        double[] mixed = new double[heads * size];
        for (int head = 0; head < heads; head++) {
          int kv = head / (heads / kvHeads);
          double[] qh = head(q, head, i, p + "attn_q_norm.weight");
          double[] weight = new double[i + 1];
          double sum = 0;
          for (int j = 0; j <= i; j++) {
            double[] kh = head(ks.get(j), kv, j, p + "attn_k_norm.weight");
            double dot = 0;
            for (int d = 0; d < size; d++) {
              dot += qh[d] * kh[d];
            }
            weight[j] = Math.exp(dot / Math.sqrt(size));
            sum += weight[j];
          }
          for (int j = 0; j <= i; j++) {
            for (int d = 0; d < size; d++) {
              mixed[head * size + d] += weight[j] / sum * vs.get(j)[kv * size + d];
            }
          }
        }
        add(x[i], times(p + "attn_output", mixed));
        double[] f = norm(x[i], p + "ffn_norm.weight");
        double[] gate = times(p + "ffn_gate", f);
        double[] up = times(p + "ffn_up", f);
        for (int d = 0; d < gate.length; d++) {
          gate[d] = gate[d] / (1 + Math.exp(-gate[d])) * up[d];
        }
        add(x[i], times(p + "ffn_down", gate));
      }
    }
    double[][] out = new double[n][];
    String output = file.tensor("output.weight").isPresent() ? "output" : "token_embd";
    for (int i = 0; i < n; i++) {
      out[i] = times(output, norm(x[i], "output_norm.weight"));
    }
    return out;
  }

  private static void add(double[] to, double[] more) {
    for (int i = 0; i < to.length; i++) {
      to[i] += more[i];
    }
  }
}
