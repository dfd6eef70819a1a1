package dev.perseid.sim;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// All that happened, as one digest: two runs are the same run if and only if their digests are
/// equal. The last lines are kept for the report of a failure.
final class Diary {
  private static final int LINES_KEPT = 60;

  private final MessageDigest digest;
  private final byte[] buffer = new byte[1 << 14];
  private int used;
  private final ArrayDeque<Line> last = new ArrayDeque<>();
  private final @Nullable Appendable verbose;

  private record Line(long atUs, String what, long who) {
    @Override
    public String toString() {
      return String.format(Locale.ROOT, "%14.6f s  %s %d", atUs / 1e6, what, who);
    }
  }

  /// @param verbose where each line is printed as it happens, or null
  Diary(@Nullable Appendable verbose) {
    this.verbose = verbose;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  /// Notes that something happened.
  void note(long atUs, String what, long who) {
    number(atUs);
    number(who);
    bytes(what.getBytes(StandardCharsets.UTF_8));
    Line line = new Line(atUs, what, who);
    last.addLast(line);
    if (last.size() > LINES_KEPT) {
      last.removeFirst();
    }
    if (verbose != null) {
      try {
        verbose.append(line.toString()).append('\n');
      } catch (java.io.IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }
  }

  /// Notes bytes that were written, e.g. to a log.
  void bytes(byte[] bytes) {
    if (bytes.length > buffer.length - used) {
      flush();
    }
    if (bytes.length > buffer.length) {
      digest.update(bytes);
      return;
    }
    System.arraycopy(bytes, 0, buffer, used, bytes.length);
    used += bytes.length;
  }

  private void number(long n) {
    if (buffer.length - used < 8) {
      flush();
    }
    for (int i = 0; i < 8; i++) {
      buffer[used++] = (byte) (n >>> (8 * i));
    }
  }

  private void flush() {
    digest.update(buffer, 0, used);
    used = 0;
  }

  /// Sixteen hexadecimal digits for everything noted so far. Call it once, at the end.
  String close() {
    flush();
    return HexFormat.of().formatHex(digest.digest(), 0, 8);
  }

  /// The last lines, oldest first.
  List<String> lastLines() {
    return last.stream().map(Line::toString).toList();
  }
}
