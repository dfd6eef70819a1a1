package dev.perseid.inference;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// The forward pass of a model of the llama family: llama (with mistral and others that are written
/// as llama), qwen2, qwen3. Immutable; safe for any thread.
final class Llama {
  private final class Layer {
    final float[] attentionNorm;
    final Matrix q;
    final Matrix k;
    final Matrix v;
    final Matrix o;
    final Optional<float[]> qBias;
    final Optional<float[]> kBias;
    final Optional<float[]> vBias;
    final Optional<float[]> qNorm;
    final Optional<float[]> kNorm;
    final float[] ffnNorm;
    final Matrix gate;
    final Matrix up;
    final Matrix down;

    Layer(Gguf file, String p, boolean small) throws ModelFileException {
      int qRows = heads * headSize;
      int kvRows = kvHeads * headSize;
      attentionNorm = vector(file, p + "attn_norm.weight", width);
      q = matrix(file, p + "attn_q.weight", qRows, width, small);
      k = matrix(file, p + "attn_k.weight", kvRows, width, small);
      v = matrix(file, p + "attn_v.weight", kvRows, width, small);
      o = matrix(file, p + "attn_output.weight", width, qRows, small);
      qBias = maybe(file, p + "attn_q.bias", qRows);
      kBias = maybe(file, p + "attn_k.bias", kvRows);
      vBias = maybe(file, p + "attn_v.bias", kvRows);
      qNorm = maybe(file, p + "attn_q_norm.weight", headSize);
      kNorm = maybe(file, p + "attn_k_norm.weight", headSize);
      ffnNorm = vector(file, p + "ffn_norm.weight", width);
      gate = matrix(file, p + "ffn_gate.weight", ffn, width, small);
      up = matrix(file, p + "ffn_up.weight", ffn, width, small);
      down = matrix(file, p + "ffn_down.weight", width, ffn, small);
    }
  }

  /// One token of a sequence at its place.
  ///
  /// @param wanted whether its logits are to be computed
  record Row(KvPages.Table table, int position, int token, boolean wanted) {}

  /// Work space of one thread that runs the model, for up to a number of rows.
  final class Bench {
    private final int most;
    private final float[] x;
    private final float[] h;
    private final float[] q;
    private final float[] k;
    private final float[] v;
    private final float[] o;
    private final float[] gate;
    private final float[] up;
    private final float[] down;
    private final float[] turns;
    private float[] logits = new float[0];
    private final Crew crew;
    private final Kernels kernels;

    Bench(int most, Crew crew, Kernels kernels) {
      this.most = most;
      this.crew = crew;
      this.kernels = kernels;
      Layer l = layers[0];
      x = new float[most * width];
      h = new float[most * Math.max(width, heads * headSize)];
      q = new float[most * l.q.stride()];
      k = new float[most * l.k.stride()];
      v = new float[most * l.v.stride()];
      o = new float[most * l.o.stride()];
      gate = new float[most * l.gate.stride()];
      up = new float[most * l.up.stride()];
      down = new float[most * l.down.stride()];
      turns = new float[most * ropeSize];
    }

    /// Runs the rows; those of one sequence stand in the order of their positions, and their table
    /// reaches far enough.
    ///
    /// @return the logits of the wanted rows, one after another, [#logitStride] apart; overwritten
    ///   by the next run
    float[] run(List<Row> rows) {
      int n = rows.size();
      if (n > most) {
        throw new IllegalArgumentException(n + " rows, but there is room for " + most);
      }
      for (int b = 0; b < n; b++) {
        embedding.row(rows.get(b).token, x, b * width);
        turn(rows.get(b).position, turns, b * ropeSize);
      }
      for (int l = 0; l < layers.length; l++) {
        Layer layer = layers[l];
        for (int b = 0; b < n; b++) {
          norm(x, b * width, layer.attentionNorm, width, h, b * width);
        }
        layer.q.times(kernels, crew, h, width, n, q);
        layer.k.times(kernels, crew, h, width, n, k);
        layer.v.times(kernels, crew, h, width, n, v);
        int qs = layer.q.stride();
        int ks = layer.k.stride();
        int vs = layer.v.stride();
        for (int b = 0; b < n; b++) {
          add(layer.qBias, q, b * qs);
          add(layer.kBias, k, b * ks);
          add(layer.vBias, v, b * vs);
          for (int head = 0; head < heads; head++) {
            place(layer.qNorm, q, b * qs + head * headSize, turns, b * ropeSize);
          }
          for (int head = 0; head < kvHeads; head++) {
            place(layer.kNorm, k, b * ks + head * headSize, turns, b * ropeSize);
          }
          keep(rows.get(b), l, k, b * ks, v, b * vs);
        }
        int at = l;
        long work = 0;
        for (Row row : rows) {
          work += (long) row.position * heads * headSize;
        }
        int hs = heads * headSize;
        if (work < SHARED_FROM) {
          for (int b = 0; b < n; b++) {
            for (int head = 0; head < heads; head++) {
              attend(kernels, rows.get(b), at, head, q, b * qs, h, b * hs);
            }
          }
        } else {
          crew.each(
              n * heads,
              part -> {
                int b = part / heads;
                attend(kernels, rows.get(b), at, part % heads, q, b * qs, h, b * hs);
              });
        }
        layer.o.times(kernels, crew, h, hs, n, o);
        addAll(n, o, layer.o.stride());
        for (int b = 0; b < n; b++) {
          norm(x, b * width, layer.ffnNorm, width, h, b * width);
        }
        layer.gate.times(kernels, crew, h, width, n, gate);
        layer.up.times(kernels, crew, h, width, n, up);
        int gs = layer.gate.stride();
        for (int b = 0; b < n; b++) {
          for (int i = b * gs; i < b * gs + ffn; i++) {
            gate[i] = gate[i] / (1 + Exp.of(-gate[i])) * up[i];
          }
        }
        layer.down.times(kernels, crew, gate, gs, n, down);
        addAll(n, down, layer.down.stride());
      }
      int wanted = 0;
      for (int b = 0; b < n; b++) {
        if (rows.get(b).wanted) {
          norm(x, b * width, outputNorm, width, h, wanted * width);
          wanted++;
        }
      }
      if (logits.length < wanted * output.stride()) {
        logits = new float[wanted * output.stride()];
      }
      if (wanted > 0) {
        output.times(kernels, crew, h, width, wanted, logits);
      }
      return logits;
    }

    private void addAll(int n, float[] part, int stride) {
      for (int b = 0; b < n; b++) {
        for (int i = 0; i < width; i++) {
          x[b * width + i] += part[b * stride + i];
        }
      }
    }
  }

  private static final long SHARED_FROM = 1 << 17;

  private final int width;
  private final int heads;
  private final int kvHeads;
  private final int headSize;
  private final int ropeSize;
  private final int ffn;
  private final int vocabulary;
  private final int context;
  private final float epsilon;
  private final boolean halves;
  private final double[] frequencies;
  private final double ropeScale;
  private final Matrix embedding;
  private final Matrix output;
  private final float[] outputNorm;
  private final Layer[] layers;

  Llama(Gguf file) throws ModelFileException {
    String architecture = file.text("general.architecture").orElse("");
    halves =
        switch (architecture) {
          case "llama" -> false;
          case "qwen2", "qwen3" -> true;
          default ->
              throw new ModelFileException(
                  "The model file "
                      + file.path().getFileName()
                      + " has the architecture '"
                      + architecture
                      + "'; this engine runs llama, qwen2 and qwen3. Run it in an OpenAI-compatible"
                      + " server next door (llama.cpp, vLLM, Ollama) and name that one's address as"
                      + " the model's backend.");
        };
    String a = architecture + ".";
    width = file.number(a + "embedding_length", 1, EngineLimits.MOST_WIDTH);
    heads = file.number(a + "attention.head_count", 1, EngineLimits.MOST_HEADS);
    kvHeads =
        file.number(a + "attention.head_count_kv").isPresent()
            ? file.number(a + "attention.head_count_kv", 1, heads)
            : heads;
    ffn = file.number(a + "feed_forward_length", 1, 1 << 20);
    context = file.number(a + "context_length", 1, EngineLimits.MOST_CONTEXT);
    int blocks = file.number(a + "block_count", 1, EngineLimits.MOST_LAYERS);
    headSize =
        file.number(a + "attention.key_length").isPresent()
            ? file.number(a + "attention.key_length", 2, 4096)
            : width / heads;
    ropeSize =
        file.number(a + "rope.dimension_count").isPresent()
            ? file.number(a + "rope.dimension_count", 2, 4096)
            : headSize;
    if (heads % kvHeads != 0
        || headSize < 2
        || ropeSize > headSize
        || ropeSize % 2 != 0
        || (headSize == width / heads && headSize * heads != width)
        || file.number(a + "attention.value_length").orElse((long) headSize) != headSize) {
      throw new ModelFileException("The sizes of the model's attention do not fit together.");
    }
    if (file.number(a + "expert_count").orElse(0L) != 0) {
      throw new ModelFileException(
          "The model is a mixture of experts, which this engine does not run. Use an"
              + " OpenAI-compatible server next door (llama.cpp, vLLM) as the model's backend.");
    }
    epsilon = file.real(a + "attention.layer_norm_rms_epsilon").orElse(1e-5).floatValue();
    double base = file.real(a + "rope.freq_base").orElse(10_000.0);
    String scaling = file.text(a + "rope.scaling.type").orElse("none");
    double factor =
        file.real(a + "rope.scaling.factor")
            .or(() -> {
              try {
                return file.real(a + "rope.scale_linear");
              } catch (ModelFileException e) {
                return Optional.empty();
              }
            })
            .orElse(1.0);
    ropeScale =
        switch (scaling) {
          case "none" -> 1;
          case "linear" -> factor > 0 ? 1 / factor : 1;
          default ->
              throw new ModelFileException(
                  "The model scales its positions by '"
                      + scaling
                      + "', which this engine does not do. Use an OpenAI-compatible server next door"
                      + " (llama.cpp, vLLM) as the model's backend.");
        };
    frequencies = new double[ropeSize / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = StrictMath.pow(base, -2.0 * i / ropeSize);
    }
    Optional<Gguf.Tensor> factors = file.tensor("rope_freqs.weight");
    if (factors.isPresent()) {
      float[] by = vector(file, "rope_freqs.weight", ropeSize / 2);
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] /= by[i];
      }
    }
    boolean small = file.weights() <= EngineLimits.MOST_FLOAT_WEIGHTS;
    checkHeap(file, small);
    Gguf.Tensor tokens = tensor(file, "token_embd.weight");
    vocabulary = (int) tokens.rows();
    if (vocabulary > EngineLimits.MOST_VOCABULARY || tokens.columns() != width) {
      throw shape(tokens, vocabulary, width);
    }
    embedding = Matrix.of(file, tokens, small);
    output =
        file.tensor("output.weight").isPresent()
            ? matrix(file, "output.weight", vocabulary, width, small)
            : embedding;
    outputNorm = vector(file, "output_norm.weight", width);
    layers = new Layer[blocks];
    for (int l = 0; l < blocks; l++) {
      layers[l] = new Layer(file, "blk." + l + ".", small);
    }
  }

  private static void checkHeap(Gguf file, boolean small) throws ModelFileException {
    long weights = file.weights();
    long need = small ? weights * 4 : weights + weights / 4;
    Runtime java = Runtime.getRuntime();
    long free = java.maxMemory() - (java.totalMemory() - java.freeMemory());
    if (need > free) {
      throw new ModelFileException(
          "The model needs about "
              + (need >> 20)
              + " MiB of memory, but Java has "
              + (free >> 20)
              + " MiB left: give it more with -Xmx.");
    }
  }

  private static Gguf.Tensor tensor(Gguf file, String name) throws ModelFileException {
    return file.tensor(name)
        .orElseThrow(() ->
            new ModelFileException(
                "The model file "
                    + file.path().getFileName()
                    + " has no tensor "
                    + name
                    + ". Download it again, or convert the model again."));
  }

  private static ModelFileException shape(Gguf.Tensor tensor, long rows, long columns) {
    return new ModelFileException(
        "The tensor "
            + tensor.name()
            + " is "
            + tensor.rows()
            + " x "
            + tensor.columns()
            + ", but the model's sizes say "
            + rows
            + " x "
            + columns
            + ".");
  }

  private static Matrix matrix(Gguf file, String name, int rows, int columns, boolean small)
      throws ModelFileException {
    Gguf.Tensor tensor = tensor(file, name);
    if (tensor.rows() != rows || tensor.columns() != columns) {
      throw shape(tensor, rows, columns);
    }
    return Matrix.of(file, tensor, small);
  }

  private static float[] vector(Gguf file, String name, int length) throws ModelFileException {
    Gguf.Tensor tensor = tensor(file, name);
    if (tensor.rows() != 1 || tensor.columns() != length) {
      throw shape(tensor, 1, length);
    }
    byte[] raw = new byte[(int) tensor.rowBytes()];
    file.row(tensor, 0, raw);
    float[] out = new float[length];
    tensor.type().floats(raw, length, out);
    return out;
  }

  private static Optional<float[]> maybe(Gguf file, String name, int length)
      throws ModelFileException {
    return file.tensor(name).isPresent()
        ? Optional.of(vector(file, name, length))
        : Optional.empty();
  }

  int vocabulary() {
    return vocabulary;
  }

  int context() {
    return context;
  }

  int logitStride() {
    return output.stride();
  }

  /// Length of a page of keys and values.
  int pageFloats() {
    return layers.length * kvHeads * headSize * 2 * KvPages.TOKENS;
  }

  private void norm(float[] in, int at, float[] weight, int n, float[] out, int outAt) {
    float sum = 0;
    for (int i = 0; i < n; i++) {
      sum += in[at + i] * in[at + i];
    }
    float by = (float) (1 / Math.sqrt(sum / n + epsilon));
    for (int i = 0; i < n; i++) {
      out[outAt + i] = in[at + i] * by * weight[i];
    }
  }

  private static void add(Optional<float[]> bias, float[] to, int at) {
    if (bias.isPresent()) {
      float[] b = bias.get();
      for (int i = 0; i < b.length; i++) {
        to[at + i] += b[i];
      }
    }
  }

  /// Cosines and sines of one position.
  private void turn(int position, float[] turns, int at) {
    for (int i = 0; i < frequencies.length; i++) {
      double angle = position * ropeScale * frequencies[i];
      turns[at + 2 * i] = (float) StrictMath.cos(angle);
      turns[at + 2 * i + 1] = (float) StrictMath.sin(angle);
    }
  }

  /// Norms and turns one head.
  private void place(Optional<float[]> weight, float[] z, int at, float[] turns, int turnsAt) {
    if (weight.isPresent()) {
      norm(z, at, weight.get(), headSize, z, at);
    }
    int half = ropeSize / 2;
    for (int i = 0; i < half; i++) {
      int first = halves ? at + i : at + 2 * i;
      int second = halves ? at + half + i : at + 2 * i + 1;
      float c = turns[turnsAt + 2 * i];
      float s = turns[turnsAt + 2 * i + 1];
      float a = z[first];
      float b = z[second];
      z[first] = a * c - b * s;
      z[second] = a * s + b * c;
    }
  }

  private int keysAt(int layer, int head) {
    return (layer * kvHeads + head) * headSize * 2 * KvPages.TOKENS;
  }

  private void keep(Row row, int layer, float[] k, int kAt, float[] v, int vAt) {
    float[] page = row.table.at(row.position).data;
    int slot = row.position % KvPages.TOKENS;
    for (int head = 0; head < kvHeads; head++) {
      int keys = keysAt(layer, head);
      int values = keys + headSize * KvPages.TOKENS + slot * headSize;
      for (int d = 0; d < headSize; d++) {
        page[keys + d * KvPages.TOKENS + slot] = k[kAt + head * headSize + d];
        page[values + d] = v[vAt + head * headSize + d];
      }
    }
  }

  private void attend(
      Kernels kernels, Row row, int layer, int head, float[] q, int qAt, float[] out, int outAt) {
    int n = row.position + 1;
    int keys = keysAt(layer, head / (heads / kvHeads));
    int values = keys + headSize * KvPages.TOKENS;
    float[] scores = new float[KvPages.pagesFor(n) * KvPages.TOKENS];
    int qHead = qAt + head * headSize;
    for (int from = 0; from < n; from += KvPages.TOKENS) {
      kernels.mix(
          row.table.at(from).data,
          keys,
          KvPages.TOKENS,
          headSize,
          q,
          qHead,
          scores,
          from,
          KvPages.TOKENS);
    }
    float scale = (float) (1 / Math.sqrt(headSize));
    float most = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      scores[i] *= scale;
      most = Math.max(most, scores[i]);
    }
    float sum = 0;
    for (int i = 0; i < n; i++) {
      scores[i] = Exp.of(scores[i] - most);
      sum += scores[i];
    }
    int o = outAt + head * headSize;
    Arrays.fill(out, o, o + headSize, 0);
    for (int from = 0; from < n; from += KvPages.TOKENS) {
      kernels.mix(
          row.table.at(from).data,
          values,
          headSize,
          Math.min(KvPages.TOKENS, n - from),
          scores,
          from,
          out,
          o,
          headSize);
    }
    float by = 1 / sum;
    for (int i = o; i < o + headSize; i++) {
      out[i] *= by;
    }
  }
}
