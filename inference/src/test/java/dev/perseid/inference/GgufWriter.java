package dev.perseid.inference;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// Writes small model files for tests.
final class GgufWriter {
  private final ByteArrayOutputStream entries = new ByteArrayOutputStream();
  private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();
  private int entryCount;
  private int tensorCount;

  private static byte[] u32(int v) {
    return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(v).array();
  }

  private static byte[] u64(long v) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(v).array();
  }

  private static void text(ByteArrayOutputStream to, String s) {
    byte[] b = s.getBytes(StandardCharsets.UTF_8);
    to.writeBytes(u64(b.length));
    to.writeBytes(b);
  }

  private void key(String key, int type) {
    text(entries, key);
    entries.writeBytes(u32(type));
    entryCount++;
  }

  GgufWriter put(String key, String value) {
    key(key, 8);
    text(entries, value);
    return this;
  }

  GgufWriter put(String key, int value) {
    key(key, 4);
    entries.writeBytes(u32(value));
    return this;
  }

  GgufWriter put(String key, float value) {
    key(key, 6);
    entries.writeBytes(u32(Float.floatToIntBits(value)));
    return this;
  }

  GgufWriter put(String key, boolean value) {
    key(key, 7);
    entries.write(value ? 1 : 0);
    return this;
  }

  GgufWriter texts(String key, List<String> values) {
    key(key, 9);
    entries.writeBytes(u32(8));
    entries.writeBytes(u64(values.size()));
    values.forEach(v -> text(entries, v));
    return this;
  }

  GgufWriter ints(String key, List<Integer> values) {
    key(key, 9);
    entries.writeBytes(u32(5));
    entries.writeBytes(u64(values.size()));
    values.forEach(v -> entries.writeBytes(u32(v)));
    return this;
  }

  GgufWriter floats(String key, List<Float> values) {
    key(key, 9);
    entries.writeBytes(u32(6));
    entries.writeBytes(u64(values.size()));
    values.forEach(v -> entries.writeBytes(u32(Float.floatToIntBits(v))));
    return this;
  }

  GgufWriter tensor(String name, int type, int columns, int rows, byte[] bytes) {
    text(infos, name);
    infos.writeBytes(u32(rows == 1 ? 1 : 2));
    infos.writeBytes(u64(columns));
    if (rows != 1) {
      infos.writeBytes(u64(rows));
    }
    infos.writeBytes(u32(type));
    infos.writeBytes(u64(data.size()));
    data.writeBytes(bytes);
    while (data.size() % 32 != 0) {
      data.write(0);
    }
    tensorCount++;
    return this;
  }

  GgufWriter random(String name, int columns, int rows, double around, double by, Random dice) {
    ByteBuffer b = ByteBuffer.allocate(4 * columns * rows).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < columns * rows; i++) {
      b.putFloat((float) (around + by * dice.nextGaussian()));
    }
    return tensor(name, 0, columns, rows, b.array());
  }

  byte[] bytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(u32(3));
    out.writeBytes(u64(tensorCount));
    out.writeBytes(u64(entryCount));
    out.writeBytes(entries.toByteArray());
    out.writeBytes(infos.toByteArray());
    while (out.size() % 32 != 0) {
      out.write(0);
    }
    out.writeBytes(data.toByteArray());
    return out.toByteArray();
  }

  void write(Path path) throws IOException {
    Files.write(path, bytes());
  }

  /// A SentencePiece vocabulary over a few words and all bytes.
  GgufWriter sentencePiece() {
    List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
    for (int b = 0; b < 256; b++) {
      tokens.add(String.format("<0x%02X>", b));
      types.add(6);
    }
    for (String word :
        List.of("\u2581", "h", "i", "hi", "\u2581hi", "t", "e", "r", "er", "\u2581t")) {
      tokens.add(word);
      types.add(1);
    }
    List<Float> scores = new ArrayList<>();
    for (int i = 0; i < tokens.size(); i++) {
      scores.add(-(float) i);
    }
    return put("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", tokens)
        .ints("tokenizer.ggml.token_type", types)
        .floats("tokenizer.ggml.scores", scores)
        .put("tokenizer.ggml.bos_token_id", 1)
        .put("tokenizer.ggml.eos_token_id", 2)
        .put("tokenizer.ggml.unknown_token_id", 0);
  }

  /// A random model with two layers and everything that an architecture may have.
  GgufWriter randomModel(String architecture, long seed) {
    Random dice = new Random(seed);
    int width = 48;
    int heads = 4;
    int kvHeads = 2;
    int size = architecture.equals("qwen3") ? 16 : 12;
    int ffn = 80;
    String a = architecture + ".";
    put("general.architecture", architecture)
        .put(a + "embedding_length", width)
        .put(a + "block_count", 2)
        .put(a + "context_length", 100)
        .put(a + "feed_forward_length", ffn)
        .put(a + "attention.head_count", heads)
        .put(a + "attention.head_count_kv", kvHeads)
        .put(a + "attention.layer_norm_rms_epsilon", 1e-5f)
        .put(a + "rope.freq_base", 10_000f);
    if (architecture.equals("qwen3")) {
      put(a + "attention.key_length", size).put(a + "attention.value_length", size);
    }
    if (architecture.equals("llama")) {
      put(a + "rope.scaling.type", "linear").put(a + "rope.scaling.factor", 2f);
    }
    sentencePiece();
    int vocabulary = 269;
    random("token_embd.weight", width, vocabulary, 0, 1, dice);
    random("output_norm.weight", width, 1, 1, 0.1, dice);
    for (int l = 0; l < 2; l++) {
      String p = "blk." + l + ".";
      random(p + "attn_norm.weight", width, 1, 1, 0.1, dice);
      random(p + "attn_q.weight", width, heads * size, 0, 0.2, dice);
      random(p + "attn_k.weight", width, kvHeads * size, 0, 0.2, dice);
      random(p + "attn_v.weight", width, kvHeads * size, 0, 0.2, dice);
      random(p + "attn_output.weight", heads * size, width, 0, 0.2, dice);
      random(p + "ffn_norm.weight", width, 1, 1, 0.1, dice);
      random(p + "ffn_gate.weight", width, ffn, 0, 0.2, dice);
      random(p + "ffn_up.weight", width, ffn, 0, 0.2, dice);
      random(p + "ffn_down.weight", ffn, width, 0, 0.2, dice);
      if (architecture.equals("qwen2")) {
        random(p + "attn_q.bias", heads * size, 1, 0, 0.5, dice);
        random(p + "attn_k.bias", kvHeads * size, 1, 0, 0.5, dice);
        random(p + "attn_v.bias", kvHeads * size, 1, 0, 0.5, dice);
      }
      if (architecture.equals("qwen3")) {
        random(p + "attn_q_norm.weight", size, 1, 1, 0.2, dice);
        random(p + "attn_k_norm.weight", size, 1, 1, 0.2, dice);
      }
    }
    return this;
  }
}
