package dev.perseid.journal;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/// Numbered byte strings in two append-only files. `data` holds frames: length (4), CRC-32C (4),
/// bytes. `rows` holds 32 bytes for each frame: offset of the frame in `data` (8), length (4),
/// CRC-32C (4), a key of the caller's choice (16). The checksum is over the bytes and the key, so
/// that a row can be believed as much as its frame. Big-endian throughout.
final class FrameLog implements Closeable {
  static final int ROW = 32;
  private static final int HEAD = 8;

  private final AppendFile data;
  private final AppendFile rows;
  private final int limitBytes;
  private volatile long count;

  /// Opens without looking at the content; [#recover] must follow.
  ///
  /// @param limitBytes of one frame's content
  FrameLog(AppendFile data, AppendFile rows, int limitBytes) {
    this.data = data;
    this.rows = rows;
    this.limitBytes = limitBytes;
  }

  /// Takes what is told in recovery.
  interface Visitor {
    void frame(long number, byte[] content) throws IOException;
  }

  /// How many of the first `trusted` frames the files are long enough for. Reads none of them.
  long believed(long trusted) throws IOException {
    long whole = Math.min(Math.max(0, trusted), rows.size() / ROW);
    while (whole > 0 && endOf(row(whole - 1)) > data.size()) {
      whole--;
    }
    return whole;
  }

  /// Finds the last whole frame and cuts both files after it. The first `believed` frames are taken
  /// as they are, those from there on are read, checked and handed to the visitor.
  void recover(long believed, Visitor visitor) throws IOException {
    long whole = believed;
    long end = whole == 0 ? 0 : endOf(row(whole - 1));
    long rowCount = rows.size() / ROW;
    Window rowWindow = new Window(rows);
    Window dataWindow = new Window(data);
    byte[] rowBytes = new byte[ROW];
    byte[] head = new byte[HEAD];
    while (whole < rowCount) {
      rowWindow.read(whole * ROW, rowBytes, ROW);
      ByteBuffer row = ByteBuffer.wrap(rowBytes);
      long offset = row.getLong();
      int length = row.getInt();
      int crc = row.getInt();
      if (offset != end
          || length < 0
          || length > limitBytes
          || offset + HEAD + length > data.size()) {
        break;
      }
      dataWindow.read(offset, head, HEAD);
      byte[] content = new byte[length];
      dataWindow.read(offset + HEAD, content, length);
      ByteBuffer heading = ByteBuffer.wrap(head);
      if (heading.getInt() != length
          || heading.getInt() != crc
          || crc != checksum(content, row.getLong(), row.getLong())) {
        break;
      }
      visitor.frame(whole, content);
      whole++;
      end = offset + HEAD + length;
    }
    data.truncate(end);
    rows.truncate(whole * ROW);
    count = whole;
  }

  /// How many frames.
  long count() {
    return count;
  }

  /// Makes room for one frame, so that [#append] cannot fail.
  void reserve(int length) throws IOException {
    if (length > limitBytes) {
      throw new IllegalArgumentException(
          length + " bytes are more than the " + limitBytes + " that " + data + " takes at once");
    }
    data.reserve(HEAD + length);
    rows.reserve(ROW);
  }

  /// Appends a frame, for which room was reserved.
  void append(byte[] content, long keyHigh, long keyLow) {
    long number = count;
    int crc = checksum(content, keyHigh, keyLow);
    byte[] row =
        ByteBuffer.allocate(ROW)
            .putLong(data.size())
            .putInt(content.length)
            .putInt(crc)
            .putLong(keyHigh)
            .putLong(keyLow)
            .array();
    data.appendInt(content.length);
    data.appendInt(crc);
    data.append(content, content.length);
    rows.append(row, ROW);
    count = number + 1;
  }

  /// The content of frame `number`.
  ///
  /// @throws IndexOutOfBoundsException if there is none
  /// @throws IOException if it cannot be read or its checksum is wrong
  byte[] read(long number) throws IOException {
    if (number < 0 || number >= count) {
      throw new IndexOutOfBoundsException(number + " of " + count + " in " + data);
    }
    ByteBuffer row = row(number);
    long offset = row.getLong();
    int length = row.getInt();
    int crc = row.getInt();
    if (length < 0 || length > limitBytes) {
      throw new StoreException("number " + number + " in " + rows + " is damaged");
    }
    byte[] content = new byte[length];
    data.read(offset + HEAD, content, length);
    if (crc != checksum(content, row.getLong(), row.getLong())) {
      throw new StoreException("number " + number + " in " + data + " is damaged");
    }
    return content;
  }

  /// Takes the key of each frame, in order.
  interface Keys {
    void key(long number, long high, long low);
  }

  /// Reads all keys.
  void keys(Keys keys) throws IOException {
    Window window = new Window(rows);
    byte[] bytes = new byte[ROW];
    ByteBuffer row = ByteBuffer.wrap(bytes);
    for (long i = 0; i < count; i++) {
      window.read(i * ROW, bytes, ROW);
      keys.key(i, row.getLong(16), row.getLong(24));
    }
  }

  void flush() throws IOException {
    data.flush();
    rows.flush();
  }

  void sync() throws IOException {
    data.sync();
    rows.sync();
  }

  @Override
  public void close() throws IOException {
    try (rows) {
      data.close();
    }
  }

  private ByteBuffer row(long number) throws IOException {
    byte[] row = new byte[ROW];
    rows.read(number * ROW, row, ROW);
    return ByteBuffer.wrap(row);
  }

  private static long endOf(ByteBuffer row) {
    return row.getLong(0) + HEAD + row.getInt(8);
  }

  private static int checksum(byte[] content, long keyHigh, long keyLow) {
    CRC32C crc = new CRC32C();
    crc.update(content);
    crc.update(ByteBuffer.allocate(16).putLong(keyHigh).putLong(keyLow).flip());
    return (int) crc.getValue();
  }

  /// Reads a file forwards in large pieces.
  private static final class Window {
    private final AppendFile file;
    private final byte[] bytes = new byte[Limits.BUFFER_BYTES];
    private long begin;
    private int length;

    Window(AppendFile file) {
      this.file = file;
    }

    void read(long position, byte[] into, int wanted) throws IOException {
      if (wanted > bytes.length) {
        file.read(position, into, wanted);
        return;
      }
      if (position < begin || position + wanted > begin + length) {
        begin = position;
        length = (int) Math.min(bytes.length, file.size() - position);
        file.read(begin, bytes, length);
      }
      System.arraycopy(bytes, (int) (position - begin), into, 0, wanted);
    }
  }
}
