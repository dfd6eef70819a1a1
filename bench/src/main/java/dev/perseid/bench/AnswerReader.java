package dev.perseid.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/// Reads answers off one HTTP/1.1 connection, one after another, and finds the moments that
/// [MockModel] wrote into streamed tokens. It does as little as it can: what it costs is measured
/// with what it measures.
final class AnswerReader {
  private static final int HEAD_BYTES = 16 << 10;
  private static final int SHOWN_BYTES = 300;
  private static final int END_OF_HEAD = 0x0D0A0D0A;

  /// Hears what an answer is.
  interface Heard {
    /// The body begins.
    void begun();

    /// A token, with the moment at which it left.
    void token(long stampNs);

    /// The answer is complete.
    void ended();
  }

  private enum Place {
    HEAD,
    BODY,
    SIZE,
    CHUNK,
    CHUNK_END,
    TRAILER
  }

  private final Heard heard;
  private final byte[] head = new byte[HEAD_BYTES];
  private final StringBuilder said = new StringBuilder();
  private Place place = Place.HEAD;
  private int headBytes;
  private int last4;
  private int status;
  private long left;
  private int lineBytes;
  private boolean begun;
  private long stamp = -1;
  private int last3;

  AnswerReader(Heard heard) {
    this.heard = heard;
  }

  /// The status of the answer that is read, or was read last.
  int status() {
    return status;
  }

  /// What an answer says that is no answer.
  String said() {
    return said.toString();
  }

  /// Reads on.
  ///
  /// @throws IOException if it is no HTTP
  void read(byte[] in, int length) throws IOException {
    int i = 0;
    while (i < length) {
      switch (place) {
        case HEAD -> i = head(in, i, length);
        case BODY -> {
          i = content(in, i, length);
          if (left == 0) {
            end();
          }
        }
        case SIZE -> {
          byte b = in[i++];
          int digit = Character.digit(b, 16);
          if (b == '\n') {
            place = left == 0 ? Place.TRAILER : Place.CHUNK;
            lineBytes = 0;
          } else if (digit >= 0) {
            left = left * 16 + digit;
          } else if (b != '\r') {
            throw new IOException("a chunk has no size");
          }
        }
        case CHUNK -> {
          i = content(in, i, length);
          if (left == 0) {
            place = Place.CHUNK_END;
          }
        }
        case CHUNK_END -> {
          if (in[i++] == '\n') {
            place = Place.SIZE;
          }
        }
        case TRAILER -> {
          byte b = in[i++];
          if (b == '\n') {
            if (lineBytes == 0) {
              end();
            }
            lineBytes = 0;
          } else if (b != '\r') {
            lineBytes++;
          }
        }
      }
    }
  }

  private int head(byte[] in, int from, int length) throws IOException {
    int i = from;
    while (i < length) {
      byte b = in[i++];
      if (headBytes == HEAD_BYTES) {
        throw new IOException("a head is longer than " + HEAD_BYTES + " bytes");
      }
      head[headBytes++] = b;
      last4 = (last4 << 8) | (b & 0xFF);
      if (last4 == END_OF_HEAD) {
        headRead();
        return i;
      }
    }
    return i;
  }

  private void headRead() throws IOException {
    String text =
        new String(head, 0, headBytes, StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT);
    if (!text.startsWith("http/1.1 ")) {
      throw new IOException("an answer is no HTTP/1.1");
    }
    status = Integer.parseInt(text.substring(9, 12));
    said.setLength(0);
    headBytes = 0;
    last4 = 0;
    begun = false;
    left = 0;
    int length = text.indexOf("\r\ncontent-length:");
    if (length >= 0) {
      int from = length + 17;
      left = Long.parseLong(text.substring(from, text.indexOf('\r', from)).strip());
      place = Place.BODY;
      if (left == 0) {
        end();
      }
    } else if (text.contains("\r\ntransfer-encoding: chunked")) {
      place = Place.SIZE;
    } else {
      throw new IOException("an answer has no length");
    }
  }

  private int content(byte[] in, int from, int length) {
    if (!begun) {
      begun = true;
      heard.begun();
    }
    int to = (int) Math.min(length, from + left);
    if (status != 200) {
      int shown = Math.min(to - from, SHOWN_BYTES - said.length());
      said.append(new String(in, from, Math.max(0, shown), StandardCharsets.UTF_8));
    } else if (place == Place.CHUNK) {
      stamps(in, from, to);
    }
    left -= to - from;
    return to;
  }

  private void stamps(byte[] in, int from, int to) {
    for (int i = from; i < to; i++) {
      byte b = in[i];
      if (stamp >= 0) {
        if (b >= '0' && b <= '9') {
          stamp = stamp * 10 + b - '0';
        } else {
          heard.token(stamp);
          stamp = -1;
        }
      } else {
        last3 = ((last3 << 8) | (b & 0xFF)) & 0xFFFFFF;
        if (last3 == (('"' << 16) | ('t' << 8) | '=')) {
          stamp = 0;
        }
      }
    }
  }

  private void end() {
    place = Place.HEAD;
    left = 0;
    heard.ended();
  }
}
