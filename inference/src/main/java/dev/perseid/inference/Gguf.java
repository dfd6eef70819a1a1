package dev.perseid.inference;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A model file in GGUF, versions 2 and 3: metadata and tensors. The file is mapped, so opening
/// costs no more than its metadata. Nothing in it is believed: every count, length, offset and type
/// is checked against the file's size before it is used.
///
/// Source: the GGUF specification in the ggml repository. Not safe for several threads.
final class Gguf implements AutoCloseable {
  private static final ValueLayout.OfByte U8 = ValueLayout.JAVA_BYTE;
  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int MAGIC = 0x46554747;
  private static final int MOST_DIMENSIONS = 4;
  private static final int T_STRING = 8;
  private static final int T_ARRAY = 9;

  /// @param columns its fastest dimension: the length of a row
  /// @param rows product of all other dimensions
  /// @param at where its bytes begin in the file
  record Tensor(String name, TensorType type, long columns, long rows, long at) {
    long weights() {
      return columns * rows;
    }

    long rowBytes() {
      return columns / type.groupWeights() * type.groupBytes();
    }
  }

  private final Path path;
  private final Arena arena;
  private final MemorySegment file;
  private final Map<String, Object> entries = new LinkedHashMap<>();
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private long at;

  private Gguf(Path path, Arena arena, MemorySegment file) {
    this.path = path;
    this.arena = arena;
    this.file = file;
  }

  /// Opens a file and reads its metadata.
  @SuppressWarnings("MustBeClosedChecker") // the file owns its arena, and closes it
  static Gguf open(Path path) throws ModelFileException {
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path)) {
      long size = channel.size();
      Gguf gguf = new Gguf(path, arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena));
      gguf.read();
      return gguf;
    } catch (IOException e) {
      arena.close();
      throw new ModelFileException("The model file " + path + " cannot be read: " + e, e);
    } catch (ModelFileException e) {
      arena.close();
      throw e;
    }
  }

  private ModelFileException wrong(String what) {
    return new ModelFileException(
        "The model file " + path.getFileName() + " is damaged at byte " + at + ": " + what);
  }

  private void need(long bytes) throws ModelFileException {
    if (bytes < 0 || bytes > file.byteSize() - at) {
      throw wrong("it ends where " + bytes + " more bytes should be. Download it again.");
    }
  }

  private void read() throws ModelFileException {
    need(24);
    if (u32() != MAGIC) {
      throw wrong("it is no GGUF file. Convert the model to GGUF first.");
    }
    int version = u32();
    if (version != 2 && version != 3) {
      throw wrong("its GGUF version is " + version + "; versions 2 and 3 can be read.");
    }
    long tensorCount = count("tensors");
    long entryCount = count("metadata entries");
    for (long i = 0; i < entryCount; i++) {
      String key = string(EngineLimits.MOST_KEY_BYTES);
      Object value = value(u32checked());
      if (entries.put(key, value) != null) {
        throw wrong("the key " + key + " stands there twice.");
      }
    }
    record Pending(String name, TensorType type, long columns, long rows, long offset) {}
    List<Pending> pending = new ArrayList<>();
    for (long i = 0; i < tensorCount; i++) {
      String name = string(EngineLimits.MOST_KEY_BYTES);
      int dimensions = u32checked();
      if (dimensions < 1 || dimensions > MOST_DIMENSIONS) {
        throw wrong("the tensor " + name + " has " + dimensions + " dimensions.");
      }
      long columns = 1;
      long rows = 1;
      for (int d = 0; d < dimensions; d++) {
        need(8);
        long length = u64();
        if (length < 1 || length > Integer.MAX_VALUE) {
          throw wrong("a dimension of the tensor " + name + " is " + length + ".");
        }
        if (d == 0) {
          columns = length;
        } else {
          rows *= length;
          if (rows > Integer.MAX_VALUE) {
            throw wrong("the tensor " + name + " is too large.");
          }
        }
      }
      int word = u32checked();
      Optional<TensorType> type = TensorType.of(word);
      if (type.isEmpty()) {
        throw wrong(
            "the tensor "
                + name
                + " has the type "
                + word
                + ", which this engine does not know. Use a file in F16, Q8_0, Q4_K_M or"
                + " similar, or run it in an OpenAI-compatible server next door.");
      }
      if (columns % type.get().groupWeights() != 0) {
        throw wrong("rows of the tensor " + name + " are no whole blocks of " + type.get() + ".");
      }
      need(8);
      pending.add(new Pending(name, type.get(), columns, rows, u64()));
    }
    long alignment = Integer.toUnsignedLong(number("general.alignment").orElse(32L).intValue());
    if (alignment < 1 || alignment > (1 << 20) || Long.bitCount(alignment) != 1) {
      throw wrong("general.alignment is " + alignment + ".");
    }
    long data = (at + alignment - 1) / alignment * alignment;
    for (Pending p : pending) {
      Tensor tensor = new Tensor(p.name, p.type, p.columns, p.rows, data + p.offset);
      long bytes = tensor.rowBytes() * p.rows;
      boolean inside =
          p.offset >= 0
              && p.offset % alignment == 0
              && data <= file.byteSize()
              && p.offset <= file.byteSize() - data
              && bytes <= file.byteSize() - data - p.offset;
      if (!inside) {
        throw wrong("the tensor " + p.name + " does not lie in the file. Download it again.");
      }
      if (tensors.put(p.name, tensor) != null) {
        throw wrong("the tensor " + p.name + " stands there twice.");
      }
    }
  }

  private int u32() {
    int value = file.get(U32, at);
    at += 4;
    return value;
  }

  private int u32checked() throws ModelFileException {
    need(4);
    return u32();
  }

  private long u64() {
    long value = file.get(U64, at);
    at += 8;
    return value;
  }

  private long count(String what) throws ModelFileException {
    long count = u64();
    if (count < 0 || count > EngineLimits.MOST_ENTRIES) {
      throw wrong("it claims to have " + Long.toUnsignedString(count) + " " + what + ".");
    }
    return count;
  }

  private String string(int most) throws ModelFileException {
    need(8);
    long length = u64();
    if (length < 0 || length > most) {
      throw wrong("a text is " + Long.toUnsignedString(length) + " bytes long.");
    }
    need(length);
    byte[] bytes = new byte[(int) length];
    MemorySegment.copy(file, U8, at, bytes, 0, bytes.length);
    at += length;
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static int width(int type) {
    return switch (type) {
      case 0, 1, 7 -> 1;
      case 2, 3 -> 2;
      case 4, 5, 6 -> 4;
      case 10, 11, 12 -> 8;
      case T_STRING -> 8;
      default -> 0;
    };
  }

  private Object value(int type) throws ModelFileException {
    if (type == T_STRING) {
      return string(EngineLimits.MOST_STRING_BYTES);
    }
    if (type == T_ARRAY) {
      need(12);
      int element = u32();
      long length = u64();
      int width = width(element);
      if (width == 0) {
        throw wrong("an array has elements of the unknown type " + element + ".");
      }
      if (length < 0 || length > EngineLimits.MOST_ARRAY_ENTRIES) {
        throw wrong("an array has " + Long.toUnsignedString(length) + " elements.");
      }
      need(length * width);
      List<Object> all = new ArrayList<>((int) length);
      for (long i = 0; i < length; i++) {
        all.add(value(element));
      }
      return all;
    }
    int width = width(type);
    if (width == 0) {
      throw wrong("a value has the unknown type " + type + ".");
    }
    need(width);
    Object value =
        switch (type) {
          case 0 -> (long) (file.get(U8, at) & 0xff);
          case 1 -> (long) file.get(U8, at);
          case 2 -> (long) (file.get(U16, at) & 0xffff);
          case 3 -> (long) file.get(U16, at);
          case 4 -> Integer.toUnsignedLong(file.get(U32, at));
          case 5 -> (long) file.get(U32, at);
          case 6 -> (double) Float.intBitsToFloat(file.get(U32, at));
          case 7 -> file.get(U8, at) != 0;
          case 12 -> Double.longBitsToDouble(file.get(U64, at));
          default -> file.get(U64, at);
        };
    at += width;
    return value;
  }

  Optional<String> text(String key) throws ModelFileException {
    Object value = entries.get(key);
    if (value == null) {
      return Optional.empty();
    }
    return Optional.of(as(key, value, String.class, "a text"));
  }

  Optional<Long> number(String key) throws ModelFileException {
    Object value = entries.get(key);
    if (value == null) {
      return Optional.empty();
    }
    return Optional.of(as(key, value, Long.class, "a whole number"));
  }

  Optional<Double> real(String key) throws ModelFileException {
    Object value = entries.get(key);
    if (value == null) {
      return Optional.empty();
    }
    double real = as(key, value, Number.class, "a number").doubleValue();
    if (!Double.isFinite(real)) {
      throw meta(key, "a finite number");
    }
    return Optional.of(real);
  }

  Optional<Boolean> flag(String key) throws ModelFileException {
    Object value = entries.get(key);
    if (value == null) {
      return Optional.empty();
    }
    return Optional.of(as(key, value, Boolean.class, "true or false"));
  }

  /// A whole number between two bounds.
  int number(String key, int least, int most) throws ModelFileException {
    long value =
        number(key)
            .orElseThrow(() ->
                new ModelFileException(
                    "The model file " + path.getFileName() + " does not say " + key + "."));
    if (value < least || value > most) {
      throw meta(key, "between " + least + " and " + most);
    }
    return (int) value;
  }

  /// An array of texts; empty if there is none.
  List<String> texts(String key) throws ModelFileException {
    return array(key, String.class);
  }

  /// An array of whole numbers; empty if there is none.
  List<Long> numbers(String key) throws ModelFileException {
    return array(key, Long.class);
  }

  /// An array of floats; empty if there is none.
  List<Double> reals(String key) throws ModelFileException {
    return array(key, Double.class);
  }

  private <T> List<T> array(String key, Class<T> type) throws ModelFileException {
    Object value = entries.get(key);
    if (value == null) {
      return List.of();
    }
    List<T> all = new ArrayList<>();
    for (Object one : as(key, value, List.class, "a list")) {
      all.add(as(key, one, type, "a list of another type"));
    }
    return all;
  }

  private <T> T as(String key, Object value, Class<T> type, String what) throws ModelFileException {
    if (!type.isInstance(value)) {
      throw meta(key, what);
    }
    return type.cast(value);
  }

  private ModelFileException meta(String key, String what) {
    return new ModelFileException(
        "In the model file " + path.getFileName() + ", " + key + " has to be " + what + ".");
  }

  Optional<Tensor> tensor(String name) {
    return Optional.ofNullable(tensors.get(name));
  }

  /// Number of all weights in it.
  long weights() {
    long sum = 0;
    for (Tensor tensor : tensors.values()) {
      sum += tensor.weights();
    }
    return sum;
  }

  /// Copies the bytes of one row of a tensor.
  void row(Tensor tensor, long row, byte[] into) {
    int bytes = (int) tensor.rowBytes();
    MemorySegment.copy(file, U8, tensor.at + row * bytes, into, 0, bytes);
  }

  Path path() {
    return path;
  }

  @Override
  public void close() {
    arena.close();
  }
}
