package dev.perseid.core;

import java.util.List;

/// Events as bytes.
public final class EventCodec {
  private EventCodec() {}

  /// Encodes events, in order.
  public static byte[] encode(List<Event> events) {
    throw new UnsupportedOperationException("soon");
  }

  /// Decodes what [#encode] made; throws [MalformedException] on anything else.
  public static List<Event> decode(byte[] bytes) {
    throw new UnsupportedOperationException("soon");
  }
}
