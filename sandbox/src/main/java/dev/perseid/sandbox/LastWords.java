package dev.perseid.sandbox;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// The end of what a process says on its standard error.
final class LastWords {
  private volatile String text = "";

  /// Listens until the process says nothing more.
  void listen(InputStream errors) {
    byte[] tail = new byte[0];
    byte[] buffer = new byte[Limits.STDERR_BYTES];
    try {
      for (int n = errors.read(buffer); n >= 0; n = errors.read(buffer)) {
        byte[] both = Arrays.copyOf(tail, tail.length + n);
        System.arraycopy(buffer, 0, both, tail.length, n);
        tail =
            Arrays.copyOfRange(
                both, Math.max(0, both.length - Limits.STDERR_BYTES / 8), both.length);
        text = new String(tail, StandardCharsets.UTF_8);
      }
    } catch (IOException e) {
      // the process is gone
    }
  }

  /// Without space around it; empty if it said nothing.
  String text() {
    return text.strip();
  }
}
