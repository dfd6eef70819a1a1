package dev.perseid.gateway;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.charset.StandardCharsets;

/// Where a renderer writes bytes for the client. Used on one thread, while the renderer is called.
final class Outlet {
  private static final byte[] DATA = "data: ".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] END = "\n\n".getBytes(StandardCharsets.US_ASCII);
  private final ByteBuf out;

  Outlet(ByteBuf out) {
    this.out = out;
  }

  /// Raw bytes.
  Outlet write(byte[] bytes) {
    out.writeBytes(bytes);
    return this;
  }

  /// Raw bytes of a part of an array.
  Outlet write(byte[] bytes, int from, int to) {
    out.writeBytes(bytes, from, to - from);
    return this;
  }

  /// Text in UTF-8.
  Outlet text(String text) {
    ByteBufUtil.writeUtf8(out, text);
    return this;
  }

  /// One server-sent event without a name. The JSON must not contain line breaks.
  Outlet event(byte[] json) {
    out.writeBytes(DATA).writeBytes(json).writeBytes(END);
    return this;
  }

  /// One named server-sent event. The JSON must not contain line breaks.
  Outlet event(String name, byte[] json) {
    ByteBufUtil.writeAscii(out, "event: " + name + "\n");
    return event(json);
  }

  /// One line of newline-delimited JSON.
  Outlet line(byte[] json) {
    out.writeBytes(json).writeByte('\n');
    return this;
  }

  /// Bytes written so far through this outlet.
  int size() {
    return out.readableBytes();
  }
}
