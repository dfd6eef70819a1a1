package dev.perseid.inference;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// Turns the bytes of tokens into text that may be sent: never half a character, and never anything
/// that may yet turn out to belong to a stop string. Not safe for several threads.
final class TextStream {
  private final CharsetDecoder utf8 =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .onUnmappableCharacter(CodingErrorAction.REPLACE);
  private final List<String> stops;
  private final StringBuilder held = new StringBuilder();
  private byte[] rest = new byte[0];
  private boolean stopped;

  TextStream(List<String> stops) {
    this.stops = stops;
  }

  /// Whether a stop string was met; nothing comes after it.
  boolean stopped() {
    return stopped;
  }

  /// Adds bytes.
  ///
  /// @return what may be sent now
  String add(byte[] more) {
    ByteBuffer in = ByteBuffer.allocate(rest.length + more.length).put(rest).put(more).flip();
    decode(in, false);
    rest = new byte[in.remaining()];
    in.get(rest);
    return take(false);
  }

  /// The text is at its end.
  ///
  /// @return what was held back
  String end() {
    decode(ByteBuffer.wrap(rest), true);
    rest = new byte[0];
    return take(true);
  }

  private void decode(ByteBuffer in, boolean end) {
    CharBuffer out = CharBuffer.allocate(in.remaining() + 2);
    utf8.decode(in, out, end);
    held.append(out.flip());
  }

  private String take(boolean end) {
    if (stopped) {
      return "";
    }
    int first = -1;
    for (String stop : stops) {
      int at = held.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
      }
    }
    if (first >= 0) {
      stopped = true;
      return held.substring(0, first);
    }
    int keep = 0;
    if (!end) {
      for (String stop : stops) {
        for (int n = Math.min(stop.length() - 1, held.length()); n > keep; n--) {
          if (stop.startsWith(held.substring(held.length() - n))) {
            keep = n;
          }
        }
      }
    }
    String out = held.substring(0, held.length() - keep);
    held.delete(0, held.length() - keep);
    return out;
  }
}
