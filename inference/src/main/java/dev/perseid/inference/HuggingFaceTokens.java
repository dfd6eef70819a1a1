package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/// Counts and writes tokens as a HuggingFace `tokenizer.json` says: byte-level BPE (GPT-2 and its
/// heirs) and WordPiece (BERT and its heirs). What it does not know it refuses when it reads the
/// file, and never counts otherwise than the model.
///
/// A text is split into words by the file's rules; BPE then takes time in proportion to `n log n`,
/// however long a word is. Special tokens are not recognised inside of a text: nobody can write one
/// into it. Safe for any thread.
public final class HuggingFaceTokens implements Tokens {
  /// Bytes of a `tokenizer.json`.
  static final long BYTES = 64L << 20;

  private static final String GPT2 =
      "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  private static final int LONGEST_WORD = 100;

  /// Cuts a text into words.
  private interface Splitter {
    List<String> split(List<String> pieces);
  }

  private final Map<String, Integer> vocabulary;
  private final Map<Long, Long> merges;
  private final boolean pieces;
  private final String continuation;
  private final int unknown;
  private final int longest;
  private final boolean ignoreMerges;
  private final List<UnaryOperator<String>> normalizers = new ArrayList<>();
  private final List<Splitter> splitters = new ArrayList<>();
  private boolean bytes;
  private int[] before = {};
  private int[] after = {};

  /// Reads a file.
  ///
  /// @throws BrokenModelException if it is damaged, too large, or of a kind that is not known
  public static HuggingFaceTokens load(Path file) throws BrokenModelException {
    try {
      if (Files.size(file) > BYTES) {
        throw new BrokenModelException(file + " is larger than " + BYTES + " bytes");
      }
      return read(Files.readAllBytes(file));
    } catch (IOException e) {
      throw new BrokenModelException(file + " cannot be read", e);
    }
  }

  /// Reads the file's bytes.
  ///
  /// @throws BrokenModelException if they are damaged or of a kind that is not known
  public static HuggingFaceTokens read(byte[] json) throws BrokenModelException {
    JsonNode root;
    try {
      root = JsonBytes.MAPPER.readTree(json);
    } catch (IOException e) {
      throw new BrokenModelException("tokenizer.json is no valid JSON", e);
    }
    if (root == null || !root.isObject()) {
      throw new BrokenModelException("tokenizer.json is no JSON object");
    }
    return new HuggingFaceTokens(root);
  }

  private HuggingFaceTokens(JsonNode root) throws BrokenModelException {
    JsonNode model = root.path("model");
    String type = model.path("type").asText(model.has("merges") ? "BPE" : "");
    pieces = type.equals("WordPiece");
    if (!pieces && !type.equals("BPE")) {
      throw unknown("model", type);
    }
    vocabulary = new HashMap<>();
    for (Map.Entry<String, JsonNode> word : model.path("vocab").properties()) {
      if (!word.getValue().canConvertToInt() || word.getValue().asInt() < 0) {
        throw new BrokenModelException("tokenizer.json: a token's number is none");
      }
      vocabulary.put(word.getKey(), word.getValue().asInt());
    }
    if (vocabulary.isEmpty()) {
      throw new BrokenModelException("tokenizer.json: 'model.vocab' has no tokens");
    }
    unknown = vocabulary.getOrDefault(model.path("unk_token").asText(""), -1);
    longest = model.path("max_input_chars_per_word").asInt(LONGEST_WORD);
    continuation = pieces ? model.path("continuing_subword_prefix").asText("##") : "";
    ignoreMerges = model.path("ignore_merges").asBoolean(false);
    merges = new HashMap<>();
    if (pieces) {
      if (unknown < 0) {
        throw new BrokenModelException("tokenizer.json: 'model.unk_token' is no token");
      }
    } else {
      if (model.path("byte_fallback").asBoolean(false)
          || !model.path("continuing_subword_prefix").asText("").isEmpty()
          || !model.path("end_of_word_suffix").asText("").isEmpty()) {
        throw unknown("model", "BPE with byte_fallback or affixes");
      }
      readMerges(model.path("merges"));
    }
    normalizer(root.path("normalizer"));
    splitter(root.path("pre_tokenizer"));
    if (!pieces && !bytes) {
      throw unknown("pre_tokenizer", "BPE without ByteLevel");
    }
    around(root.path("post_processor"));
  }

  private static BrokenModelException unknown(String where, String what) {
    return new BrokenModelException(
        "tokenizer.json: '"
            + where
            + "' of the kind '"
            + what
            + "' is not known; byte-level BPE and WordPiece are");
  }

  private void readMerges(JsonNode list) throws BrokenModelException {
    long rank = 0;
    for (JsonNode merge : list) {
      String left;
      String right;
      if (merge.isArray() && merge.size() == 2) {
        left = merge.get(0).asText();
        right = merge.get(1).asText();
      } else {
        String text = merge.asText();
        int space = text.indexOf(' ', 1);
        if (space < 0) {
          throw new BrokenModelException("tokenizer.json: merge " + rank + " has no two parts");
        }
        left = text.substring(0, space);
        right = text.substring(space + 1);
      }
      Integer a = vocabulary.get(left);
      Integer b = vocabulary.get(right);
      Integer both = vocabulary.get(left + right);
      if (a == null || b == null || both == null) {
        throw new BrokenModelException(
            "tokenizer.json: merge " + rank + " is of tokens that are not in the vocabulary");
      }
      merges.putIfAbsent(pair(a, b), rank << 32 | both);
      rank++;
    }
  }

  private static long pair(int a, int b) {
    return (long) a << 32 | b;
  }

  private void normalizer(JsonNode n) throws BrokenModelException {
    if (!n.isObject()) {
      return;
    }
    String type = n.path("type").asText();
    switch (type) {
      case "Sequence" -> {
        for (JsonNode inner : n.path("normalizers")) {
          normalizer(inner);
        }
      }
      case "NFC" -> normalizers.add(s -> Normalizer.normalize(s, Normalizer.Form.NFC));
      case "NFD" -> normalizers.add(s -> Normalizer.normalize(s, Normalizer.Form.NFD));
      case "NFKC" -> normalizers.add(s -> Normalizer.normalize(s, Normalizer.Form.NFKC));
      case "NFKD" -> normalizers.add(s -> Normalizer.normalize(s, Normalizer.Form.NFKD));
      case "Lowercase" -> normalizers.add(s -> s.toLowerCase(Locale.ROOT));
      case "StripAccents" -> normalizers.add(HuggingFaceTokens::withoutMarks);
      case "BertNormalizer" -> {
        boolean lower = n.path("lowercase").asBoolean(true);
        if (n.path("clean_text").asBoolean(true)) {
          normalizers.add(HuggingFaceTokens::clean);
        }
        if (n.path("handle_chinese_chars").asBoolean(true)) {
          normalizers.add(HuggingFaceTokens::spaced);
        }
        if (n.path("strip_accents").asBoolean(lower)) {
          normalizers.add(s -> withoutMarks(Normalizer.normalize(s, Normalizer.Form.NFD)));
        }
        if (lower) {
          normalizers.add(s -> s.toLowerCase(Locale.ROOT));
        }
      }
      default -> throw unknown("normalizer", type);
    }
  }

  private static String withoutMarks(String text) {
    return text.codePoints()
        .filter(c -> Character.getType(c) != Character.NON_SPACING_MARK)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  private static String clean(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints()
        .forEach(c -> {
          if (c == '\t' || c == '\n' || c == '\r' || space(c)) {
            out.append(' ');
          } else if (c != 0 && c != 0xFFFD && !control(c)) {
            out.appendCodePoint(c);
          }
        });
    return out.toString();
  }

  private static boolean control(int c) {
    int type = Character.getType(c);
    return type == Character.CONTROL
        || type == Character.FORMAT
        || type == Character.PRIVATE_USE
        || type == Character.SURROGATE
        || type == Character.UNASSIGNED;
  }

  private static boolean space(int c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c);
  }

  private static String spaced(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints()
        .forEach(c -> {
          if (chinese(c)) {
            out.append(' ').appendCodePoint(c).append(' ');
          } else {
            out.appendCodePoint(c);
          }
        });
    return out.toString();
  }

  /// The blocks that BERT's own tokenizer takes for Chinese.
  private static boolean chinese(int c) {
    return (c >= 0x4E00 && c <= 0x9FFF)
        || (c >= 0x3400 && c <= 0x4DBF)
        || (c >= 0x20000 && c <= 0x2A6DF)
        || (c >= 0x2A700 && c <= 0x2B73F)
        || (c >= 0x2B740 && c <= 0x2B81F)
        || (c >= 0x2B820 && c <= 0x2CEAF)
        || (c >= 0xF900 && c <= 0xFAFF)
        || (c >= 0x2F800 && c <= 0x2FA1F);
  }

  private void splitter(JsonNode p) throws BrokenModelException {
    if (!p.isObject()) {
      return;
    }
    String type = p.path("type").asText();
    switch (type) {
      case "Sequence" -> {
        for (JsonNode inner : p.path("pretokenizers")) {
          splitter(inner);
        }
      }
      case "ByteLevel" -> {
        if (p.path("add_prefix_space").asBoolean(true)) {
          splitters.add(list -> list.stream().map(s -> s.startsWith(" ") ? s : " " + s).toList());
        }
        if (p.path("use_regex").asBoolean(true)) {
          splitters.add(found(Pattern.compile(GPT2, Pattern.UNICODE_CHARACTER_CLASS), false));
        }
        bytes = true;
      }
      case "BertPreTokenizer" -> splitters.add(HuggingFaceTokens::bert);
      case "Whitespace" ->
          splitters.add(
              found(Pattern.compile("\\w+|[^\\w\\s]+", Pattern.UNICODE_CHARACTER_CLASS), true));
      case "WhitespaceSplit" ->
          splitters.add(found(Pattern.compile("\\S+", Pattern.UNICODE_CHARACTER_CLASS), true));
      case "Split" -> {
        String regex = p.path("pattern").path("Regex").asText("");
        String behaviour = p.path("behavior").asText();
        if (regex.isEmpty() || !behaviour.equals("Isolated")) {
          throw unknown("pre_tokenizer", "Split other than Isolated by a Regex");
        }
        try {
          splitters.add(found(Pattern.compile(regex, Pattern.UNICODE_CHARACTER_CLASS), false));
        } catch (PatternSyntaxException e) {
          throw new BrokenModelException("tokenizer.json: its regular expression is none", e);
        }
      }
      default -> throw unknown("pre_tokenizer", type);
    }
  }

  /// What a pattern finds, and, unless `only`, what lies between.
  private static Splitter found(Pattern pattern, boolean only) {
    return list -> {
      List<String> words = new ArrayList<>();
      for (String piece : list) {
        Matcher m = pattern.matcher(piece);
        int at = 0;
        while (m.find()) {
          if (!only && m.start() > at) {
            words.add(piece.substring(at, m.start()));
          }
          if (m.end() > m.start()) {
            words.add(m.group());
          }
          at = m.end();
        }
        if (!only && at < piece.length()) {
          words.add(piece.substring(at));
        }
      }
      return words;
    };
  }

  private static List<String> bert(List<String> list) {
    List<String> words = new ArrayList<>();
    for (String piece : list) {
      StringBuilder word = new StringBuilder();
      piece
          .codePoints()
          .forEach(c -> {
            boolean mark = punctuation(c);
            if ((mark || space(c)) && !word.isEmpty()) {
              words.add(word.toString());
              word.setLength(0);
            }
            if (mark) {
              words.add(Character.toString(c));
            } else if (!space(c)) {
              word.appendCodePoint(c);
            }
          });
      if (!word.isEmpty()) {
        words.add(word.toString());
      }
    }
    return words;
  }

  private static boolean punctuation(int c) {
    if ((c >= 33 && c <= 47)
        || (c >= 58 && c <= 64)
        || (c >= 91 && c <= 96)
        || (c >= 123 && c <= 126)) {
      return true;
    }
    return switch (Character.getType(c)) {
      case Character.CONNECTOR_PUNCTUATION,
          Character.DASH_PUNCTUATION,
          Character.START_PUNCTUATION,
          Character.END_PUNCTUATION,
          Character.INITIAL_QUOTE_PUNCTUATION,
          Character.FINAL_QUOTE_PUNCTUATION,
          Character.OTHER_PUNCTUATION ->
          true;
      default -> false;
    };
  }

  private void around(JsonNode p) throws BrokenModelException {
    if (!p.isObject()) {
      return;
    }
    String type = p.path("type").asText();
    switch (type) {
      case "ByteLevel" -> {}
      case "Sequence" -> {
        for (JsonNode inner : p.path("processors")) {
          around(inner);
        }
      }
      case "BertProcessing", "RobertaProcessing" -> {
        before = plus(before, p.path("cls").path(1).asInt());
        after = plus(after, p.path("sep").path(1).asInt());
      }
      case "TemplateProcessing" -> {
        boolean text = false;
        for (JsonNode part : p.path("single")) {
          if (part.has("Sequence")) {
            text = true;
            continue;
          }
          String id = part.path("SpecialToken").path("id").asText();
          JsonNode ids = p.path("special_tokens").path(id).path("ids");
          if (!ids.isArray() || ids.isEmpty()) {
            throw new BrokenModelException("tokenizer.json: '" + id + "' is no special token");
          }
          for (JsonNode number : ids) {
            if (text) {
              after = plus(after, number.asInt());
            } else {
              before = plus(before, number.asInt());
            }
          }
        }
      }
      default -> throw unknown("post_processor", type);
    }
  }

  private static int[] plus(int[] list, int one) {
    int[] longer = Arrays.copyOf(list, list.length + 1);
    longer[list.length] = one;
    return longer;
  }

  @Override
  public int count(String text) {
    return plain(text).size();
  }

  /// The tokens of a text as a model wants them, with the special ones around it.
  public int[] encode(String text) {
    Ints plain = plain(text);
    int[] all = new int[before.length + plain.size() + after.length];
    System.arraycopy(before, 0, all, 0, before.length);
    plain.copyTo(all, before.length);
    System.arraycopy(after, 0, all, before.length + plain.size(), after.length);
    return all;
  }

  /// How many tokens there are; one more than the largest number of one.
  public int size() {
    return vocabulary.values().stream().mapToInt(Integer::intValue).max().orElse(0) + 1;
  }

  /// For an embedding or a completion the texts, with special tokens; for a chat the texts of its
  /// messages alone, because this file does not know the model's template.
  @Override
  public int promptTokens(Api api, byte[] body) {
    JsonNode root;
    try {
      root = JsonBytes.MAPPER.readTree(body);
    } catch (IOException e) {
      return 0;
    }
    return switch (api) {
      case EMBEDDING -> texts(root.path("input"));
      case COMPLETION -> texts(root.path("prompt"));
      case CHAT -> {
        int sum = 0;
        for (JsonNode message : root.path("messages")) {
          JsonNode content = message.path("content");
          if (content.isTextual()) {
            sum += count(content.asText());
          }
          for (JsonNode part : content) {
            sum += count(part.path("text").asText(""));
          }
        }
        yield sum;
      }
      case INFER -> 0;
    };
  }

  private int texts(JsonNode input) {
    if (input.isTextual()) {
      return encode(input.asText()).length;
    }
    if (input.isNumber()) {
      return 1;
    }
    int sum = 0;
    for (JsonNode one : input) {
      sum += texts(one);
    }
    return sum;
  }

  private Ints plain(String text) {
    String normal = text;
    for (UnaryOperator<String> normalizer : normalizers) {
      normal = normalizer.apply(normal);
    }
    List<String> words = normal.isEmpty() ? List.of() : List.of(normal);
    for (Splitter splitter : splitters) {
      words = splitter.split(words);
    }
    Ints out = new Ints();
    for (String word : words) {
      if (pieces) {
        wordPiece(word, out);
      } else {
        bpe(word, out);
      }
    }
    return out;
  }

  private void wordPiece(String word, Ints out) {
    if (word.codePointCount(0, word.length()) > longest) {
      out.add(unknown);
      return;
    }
    Ints found = new Ints();
    int at = 0;
    while (at < word.length()) {
      int end = word.length();
      Integer id = null;
      while (end > at && id == null) {
        id = vocabulary.get((at > 0 ? continuation : "") + word.substring(at, end));
        if (id == null) {
          end--;
        }
      }
      if (id == null) {
        out.add(unknown);
        return;
      }
      found.add(id);
      at = end;
    }
    found.addTo(out);
  }

  /// Merges the pair of the lowest rank, the leftmost first, until there is none.
  private void bpe(String word, Ints out) {
    byte[] raw = word.getBytes(StandardCharsets.UTF_8);
    int n = raw.length;
    if (ignoreMerges) {
      StringBuilder whole = new StringBuilder(n);
      for (byte b : raw) {
        whole.append(LETTERS[b & 0xFF]);
      }
      Integer id = vocabulary.get(whole.toString());
      if (id != null) {
        out.add(id);
        return;
      }
    }
    int[] ids = new int[n];
    int[] next = new int[n];
    int[] previous = new int[n];
    for (int i = 0; i < n; i++) {
      ids[i] = vocabulary.getOrDefault(String.valueOf(LETTERS[raw[i] & 0xFF]), unknown);
      next[i] = i + 1 < n ? i + 1 : -1;
      previous[i] = i - 1;
    }
    // Rank and place of a pair in one number: smaller is earlier.
    PriorityQueue<Long> queue = new PriorityQueue<>();
    for (int i = 0; i + 1 < n; i++) {
      offer(queue, ids, i, i + 1);
    }
    for (Long top = queue.poll(); top != null; top = queue.poll()) {
      int left = (int) (long) top;
      int right = next[left];
      if (ids[left] < 0 || right < 0) {
        continue;
      }
      Long merge = merges.get(pair(ids[left], ids[right]));
      if (merge == null || merge >>> 32 != top >>> 32) {
        // One of the two has been merged with another since.
        continue;
      }
      ids[left] = (int) (long) merge;
      ids[right] = -2;
      next[left] = next[right];
      if (next[right] >= 0) {
        previous[next[right]] = left;
        offer(queue, ids, left, next[left]);
      }
      if (previous[left] >= 0) {
        offer(queue, ids, previous[left], left);
      }
    }
    for (int i = 0; i >= 0 && i < n; i = next[i]) {
      if (ids[i] >= 0) {
        out.add(ids[i]);
      }
    }
  }

  private void offer(PriorityQueue<Long> queue, int[] ids, int left, int right) {
    Long merge = merges.get(pair(ids[left], ids[right]));
    if (merge != null) {
      queue.add((merge >>> 32) << 32 | left);
    }
  }

  /// GPT-2's letters for bytes: printable ones for themselves, the others from U+0100 on.
  private static final char[] LETTERS = letters();

  private static char[] letters() {
    char[] letters = new char[256];
    char free = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      letters[b] = printable ? (char) b : free++;
    }
    return letters;
  }

  /// A growing list of numbers.
  private static final class Ints {
    private int[] list = new int[16];
    private int size;

    void add(int one) {
      if (size == list.length) {
        list = Arrays.copyOf(list, size * 2);
      }
      list[size++] = one;
    }

    void addTo(Ints other) {
      for (int i = 0; i < size; i++) {
        other.add(list[i]);
      }
    }

    void copyTo(int[] out, int at) {
      System.arraycopy(list, 0, out, at, size);
    }

    int size() {
      return size;
    }
  }
}
