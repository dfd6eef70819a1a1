package dev.perseid.inference;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.util.ByteProcessor;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Cuts a `text/event-stream` (WHATWG HTML, "Server-sent events") into its events, whatever pieces
/// it comes in. A line ends with CR, LF or both; comments and unknown fields are skipped; several
/// `data` lines make one text. An event that is cut off before its empty line is never told.
///
/// In the usual case (a whole line in one piece) the data are copied once, into the array that the
/// listener gets.
final class EventStream {
  /// Who gets the events.
  interface Sink {
    /// @param error whether the server called it an error
    /// @param data what it brought; the array is the sink's
    void event(boolean error, byte[] data) throws BrokenAnswer;

    /// False as soon as no more events are wanted.
    boolean wanted();
  }

  private final Sink sink;
  private final int limit;
  private final ByteBuf line = Unpooled.buffer(256);
  private byte @Nullable [] data;
  private boolean error;
  private boolean first = true;
  private boolean afterReturn;

  /// @param limit bytes of one event, and of one line, at most
  EventStream(Sink sink, int limit) {
    this.sink = sink;
    this.limit = limit;
  }

  /// Reads on.
  ///
  /// @throws BrokenAnswer if an event is too long, or if the sink does not like it
  void read(ByteBuf in) throws BrokenAnswer {
    while (in.isReadable() && sink.wanted()) {
      if (afterReturn) {
        afterReturn = false;
        if (in.getByte(in.readerIndex()) == '\n') {
          in.skipBytes(1);
          continue;
        }
      }
      int at = in.forEachByte(ByteProcessor.FIND_CRLF);
      int from = in.readerIndex();
      int length = (at < 0 ? in.writerIndex() : at) - from;
      if (line.readableBytes() + length > limit) {
        throw new BrokenAnswer("It sent an event of more than " + limit + " bytes.");
      }
      if (at < 0) {
        line.writeBytes(in, from, length);
        in.readerIndex(in.writerIndex());
        return;
      }
      afterReturn = in.getByte(at) == '\r';
      in.readerIndex(at + 1);
      if (line.isReadable()) {
        line.writeBytes(in, from, length);
        line(line, line.readerIndex(), line.readableBytes());
        line.clear();
      } else {
        line(in, from, length);
      }
    }
  }

  private void line(ByteBuf buf, int from, int length) throws BrokenAnswer {
    if (first) {
      first = false;
      if (length >= 3
          && buf.getByte(from) == (byte) 0xEF
          && buf.getByte(from + 1) == (byte) 0xBB
          && buf.getByte(from + 2) == (byte) 0xBF) {
        from += 3;
        length -= 3;
      }
    }
    if (length == 0) {
      byte[] told = data;
      boolean wrong = error;
      data = null;
      error = false;
      if (told != null) {
        sink.event(wrong, told);
      }
      return;
    }
    if (is(buf, from, length, "data")) {
      data(buf, from + 4, length - 4);
    } else if (is(buf, from, length, "event")) {
      int skip = value(buf, from + 5, length - 5);
      int rest = length - 5 - skip;
      error =
          rest == 5
              && buf.toString(from + 5 + skip, rest, StandardCharsets.US_ASCII).equals("error");
    } else if (is(buf, from, length, "error")) {
      // llama-server tells of an error in a field of this name.
      data(buf, from + 5, length - 5);
      error = true;
    }
  }

  private void data(ByteBuf buf, int from, int length) throws BrokenAnswer {
    int skip = value(buf, from, length);
    int size = length - skip;
    byte[] before = data;
    byte[] now;
    int at;
    if (before == null) {
      now = new byte[size];
      at = 0;
    } else {
      if (before.length + 1L + size > limit) {
        throw new BrokenAnswer("It sent an event of more than " + limit + " bytes.");
      }
      now = Arrays.copyOf(before, before.length + 1 + size);
      now[before.length] = '\n';
      at = before.length + 1;
    }
    buf.getBytes(from + skip, now, at, size);
    data = now;
  }

  /// Bytes before a field's value: the colon, if there is one, and one space.
  private static int value(ByteBuf buf, int from, int length) {
    if (length == 0) {
      return 0;
    }
    return length > 1 && buf.getByte(from + 1) == ' ' ? 2 : 1;
  }

  private static boolean is(ByteBuf buf, int from, int length, String field) {
    int n = field.length();
    if (length < n || (length > n && buf.getByte(from + n) != ':')) {
      return false;
    }
    for (int i = 0; i < n; i++) {
      if (buf.getByte(from + i) != field.charAt(i)) {
        return false;
      }
    }
    return true;
  }
}
