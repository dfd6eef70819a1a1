package dev.perseid.inference;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Text to tokens and back, the way a model file says: byte-level BPE (`gpt2`) or SentencePiece
/// (`llama`). Immutable; safe for any thread.
final class Tokenizer {
  /// Put behind the first sign of a text that looks like a special token but is not meant as one;
  /// no text holds it (a Unicode noncharacter), and encoding drops it.
  static final char GUARD = '\uFDD0';

  private static final String WORDS =
      "(?:'s|'t|'re|'ve|'m|'ll|'d)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  private static final String SINGLE_DIGITS =
      "\\p{N}|(?:'s|'t|'re|'ve|'m|'ll|'d)| ?\\p{L}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  private static final String LLAMA3 =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String QWEN2 = LLAMA3.replace("\\p{N}{1,3}", "\\p{N}");

  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final int BYTE = 6;
  private static final char SPACE = '\u2581';
  private static final Set<String> ENDS =
      Set.of(
          "<|im_end|>",
          "<|eot_id|>",
          "<|eom_id|>",
          "<|end|>",
          "<|endoftext|>",
          "<end_of_turn>",
          "</s>",
          "<|end_of_text|>",
          "<|end\u2581of\u2581sentence|>");

  private static final char[] SIGN_OF_BYTE = new char[256];
  private static final Map<Character, Integer> BYTE_OF_SIGN = new HashMap<>();

  static {
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= 33 && b < 127) || (b >= 161 && b < 173) || b >= 174;
      SIGN_OF_BYTE[b] = (char) (printable ? b : next++);
      BYTE_OF_SIGN.put(SIGN_OF_BYTE[b], b);
    }
  }

  private record Special(String text, int id, boolean control) {}

  private final boolean bytePairs;
  private final boolean spacePrefix;
  private final boolean addBos;
  private final int bos;
  private final int eos;
  private final int unknown;
  private final List<String> texts;
  private final Map<String, Integer> ids = new HashMap<>();
  private final Map<String, Integer> ranks = new HashMap<>();
  private final float[] scores;
  private final byte[][] bytes;
  private final int[] byteTokens = new int[256];
  private final Map<Character, List<Special>> specials = new HashMap<>();
  private final Set<Integer> ends = new HashSet<>();
  private final boolean[] control;
  private final Pattern words;

  Tokenizer(Gguf file) throws ModelFileException {
    String model = file.text("tokenizer.ggml.model").orElse("none");
    bytePairs =
        switch (model) {
          case "gpt2" -> true;
          case "llama" -> false;
          default ->
              throw new ModelFileException(
                  "The model's tokenizer is '"
                      + model
                      + "'; this engine knows gpt2 and llama. Use an OpenAI-compatible server next"
                      + " door (llama.cpp, vLLM) as the model's backend.");
        };
    texts = file.texts("tokenizer.ggml.tokens");
    if (texts.isEmpty() || texts.size() > EngineLimits.MOST_VOCABULARY) {
      throw new ModelFileException("The model file has " + texts.size() + " tokens.");
    }
    int n = texts.size();
    String pre = file.text("tokenizer.ggml.pre").orElse("default");
    words = Pattern.compile(pattern(pre), Pattern.UNICODE_CHARACTER_CLASS);
    List<Long> types = file.numbers("tokenizer.ggml.token_type");
    List<Double> given = file.reals("tokenizer.ggml.scores");
    if ((!types.isEmpty() && types.size() != n) || (!given.isEmpty() && given.size() != n)) {
      throw new ModelFileException("The lists of the model's tokens differ in length.");
    }
    scores = new float[n];
    bytes = new byte[n][];
    control = new boolean[n];
    java.util.Arrays.fill(byteTokens, -1);
    for (int i = 0; i < n; i++) {
      String text = texts.get(i);
      ids.putIfAbsent(text, i);
      scores[i] = given.isEmpty() ? 0 : given.get(i).floatValue();
      long type = types.isEmpty() ? 1 : types.get(i);
      control[i] = type == CONTROL;
      if (type == CONTROL || type == USER_DEFINED) {
        if (!text.isEmpty()) {
          specials
              .computeIfAbsent(text.charAt(0), k -> new ArrayList<>())
              .add(new Special(text, i, control[i]));
        }
        bytes[i] = type == CONTROL ? new byte[0] : text.getBytes(StandardCharsets.UTF_8);
      } else if (type == BYTE && text.matches("<0x[0-9A-Fa-f]{2}>")) {
        int b = Integer.parseInt(text.substring(3, 5), 16);
        byteTokens[b] = i;
        bytes[i] = new byte[] {(byte) b};
      } else {
        bytes[i] = bytePairs ? unsigned(text) : spaced(text);
      }
      if (control[i] && ENDS.contains(text)) {
        ends.add(i);
      }
    }
    for (List<Special> some : specials.values()) {
      some.sort(Comparator.comparingInt((Special s) -> -s.text.length()));
    }
    List<String> merges = file.texts("tokenizer.ggml.merges");
    for (int i = 0; i < merges.size(); i++) {
      ranks.putIfAbsent(merges.get(i), i);
    }
    eos = id(file, "tokenizer.ggml.eos_token_id", n);
    bos = id(file, "tokenizer.ggml.bos_token_id", n);
    unknown = id(file, "tokenizer.ggml.unknown_token_id", n);
    for (String key : List.of("eot", "eom", "eos")) {
      int end = id(file, "tokenizer.ggml." + key + "_token_id", n);
      if (end >= 0) {
        ends.add(end);
      }
    }
    addBos =
        bos >= 0
            && file.flag("tokenizer.ggml.add_bos_token")
                .orElse(!bytePairs || pre.equals("llama-bpe"));
    spacePrefix = !bytePairs && file.flag("tokenizer.ggml.add_space_prefix").orElse(true);
  }

  private static String pattern(String pre) throws ModelFileException {
    return switch (pre) {
      case "default", "gpt-2", "phi-2", "" -> WORDS;
      case "llama-bpe", "llama3", "llama-v3" -> LLAMA3;
      case "qwen2", "deepseek-r1-qwen" -> QWEN2;
      case "smollm", "starcoder", "refact", "command-r" -> SINGLE_DIGITS;
      default ->
          throw new ModelFileException(
              "The model splits text into words by '"
                  + pre
                  + "', which this engine does not know. Use an OpenAI-compatible server next"
                  + " door (llama.cpp, vLLM) as the model's backend.");
    };
  }

  private static int id(Gguf file, String key, int n) throws ModelFileException {
    return file.number(key).isPresent() ? file.number(key, 0, n - 1) : -1;
  }

  private static byte[] unsigned(String text) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i < text.length(); i++) {
      Integer b = BYTE_OF_SIGN.get(text.charAt(i));
      if (b == null) {
        return text.getBytes(StandardCharsets.UTF_8);
      }
      out.write(b);
    }
    return out.toByteArray();
  }

  private static byte[] spaced(String text) {
    return text.replace(SPACE, ' ').getBytes(StandardCharsets.UTF_8);
  }

  int size() {
    return texts.size();
  }

  /// Whether a token ends an answer.
  boolean ends(int token) {
    return ends.contains(token);
  }

  /// Whether a token is none of text.
  boolean control(int token) {
    return token < control.length && control[token];
  }

  int end() {
    return eos >= 0
        ? eos
        : ends.isEmpty() ? -1 : ends.stream().min(Comparator.naturalOrder()).get();
  }

  String bosText() {
    return bos >= 0 ? texts.get(bos) : "";
  }

  String eosText() {
    return eos >= 0 ? texts.get(eos) : "";
  }

  boolean knows(String token) {
    return ids.containsKey(token);
  }

  /// Whether the first token of an answer begins with a blank that is none of the text.
  boolean spacePrefix() {
    return spacePrefix;
  }

  /// The bytes of a token's text; none for special tokens. Not to be changed.
  byte[] bytes(int token) {
    return token >= 0 && token < bytes.length ? bytes[token] : new byte[0];
  }

  /// A token's text as a person would see it.
  String shown(int token) {
    if (token < 0 || token >= texts.size()) {
      return "";
    }
    return control[token] ? texts.get(token) : new String(bytes[token], StandardCharsets.UTF_8);
  }

  /// Breaks whatever in a text looks like a special token.
  String guarded(String text) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == GUARD) {
        continue;
      }
      out.append(c);
      for (Special special : specials.getOrDefault(c, List.of())) {
        if (special.control && text.startsWith(special.text, i)) {
          out.append(GUARD);
          break;
        }
      }
    }
    return out.toString();
  }

  /// Tokens of a text.
  ///
  /// @param special whether special tokens are recognised in it
  /// @param begin whether a beginning token is put before it, if the model wants one
  int[] encode(String text, boolean special, boolean begin) {
    IntList out = new IntList();
    if (begin && addBos && !(special && !bosText().isEmpty() && text.startsWith(bosText()))) {
      out.add(bos);
    }
    int from = 0;
    boolean first = true;
    if (special) {
      for (int i = 0; i < text.length(); i++) {
        for (Special s : specials.getOrDefault(text.charAt(i), List.of())) {
          if (text.startsWith(s.text, i)) {
            piece(text.substring(from, i), first, out);
            out.add(s.id);
            first = false;
            from = i + s.text.length();
            i = from - 1;
            break;
          }
        }
      }
    }
    piece(text.substring(from), first, out);
    return out.toArray();
  }

  private void piece(String raw, boolean first, IntList out) {
    String text = raw.indexOf(GUARD) < 0 ? raw : raw.replace(String.valueOf(GUARD), "");
    if (text.isEmpty()) {
      return;
    }
    if (bytePairs) {
      Matcher m = words.matcher(text);
      while (m.find()) {
        byte[] utf8 = m.group().getBytes(StandardCharsets.UTF_8);
        List<String> parts = new ArrayList<>(utf8.length);
        for (byte b : utf8) {
          parts.add(String.valueOf(SIGN_OF_BYTE[b & 0xff]));
        }
        merge(parts, out);
      }
      return;
    }
    String spaced = (spacePrefix && first ? " " + text : text).replace(' ', SPACE);
    List<String> parts = new ArrayList<>(spaced.length());
    spaced.codePoints().forEach(c -> parts.add(Character.toString(c)));
    merge(parts, out);
  }

  /// A pair that may be merged.
  ///
  /// @param left index of its left part, with that part's length when the pair was seen
  private record Pair(double order, int left, int right, int length) {}

  /// Merges parts, best pair first and leftmost among equals. Time n log n.
  private void merge(List<String> parts, IntList out) {
    int n = parts.size();
    String[] text = parts.toArray(new String[0]);
    int[] next = new int[n];
    int[] before = new int[n];
    for (int i = 0; i < n; i++) {
      next[i] = i + 1 < n ? i + 1 : -1;
      before[i] = i - 1;
    }
    PriorityQueue<Pair> queue =
        new PriorityQueue<>(Comparator.comparingDouble(Pair::order).thenComparingInt(Pair::left));
    for (int i = 0; i + 1 < n; i++) {
      offer(queue, text, i, i + 1);
    }
    boolean[] gone = new boolean[n];
    while (!queue.isEmpty()) {
      Pair pair = queue.remove();
      int left = pair.left;
      int right = pair.right;
      if (gone[left]
          || gone[right]
          || next[left] != right
          || text[left].length() + text[right].length() != pair.length) {
        continue;
      }
      text[left] = text[left] + text[right];
      gone[right] = true;
      next[left] = next[right];
      if (next[left] >= 0) {
        before[next[left]] = left;
        offer(queue, text, left, next[left]);
      }
      if (before[left] >= 0) {
        offer(queue, text, before[left], left);
      }
    }
    for (int i = 0; i >= 0 && i < n; i = next[i]) {
      Integer id = ids.get(text[i]);
      if (id != null) {
        out.add(id);
      } else {
        unknown(text[i], out);
      }
    }
  }

  private void offer(PriorityQueue<Pair> queue, String[] text, int left, int right) {
    int length = text[left].length() + text[right].length();
    if (bytePairs) {
      Integer rank = ranks.get(text[left] + " " + text[right]);
      if (rank != null) {
        queue.add(new Pair(rank, left, right, length));
      }
    } else {
      Integer id = ids.get(text[left] + text[right]);
      if (id != null) {
        queue.add(new Pair(-scores[id], left, right, length));
      }
    }
  }

  private void unknown(String text, IntList out) {
    if (bytePairs) {
      for (int i = 0; i < text.length(); i++) {
        Integer id = ids.get(text.substring(i, i + 1));
        if (id != null) {
          out.add(id);
        }
      }
      return;
    }
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      int id = byteTokens[b & 0xff];
      if (id >= 0) {
        out.add(id);
      } else if (unknown >= 0) {
        out.add(unknown);
      }
    }
  }
}
