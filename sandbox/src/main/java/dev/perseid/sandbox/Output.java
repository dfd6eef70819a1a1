package dev.perseid.sandbox;

import java.nio.file.Path;

/// One output of a task that is done. The hash was computed by this side, not by the child.
public sealed interface Output {
  /// Size in bytes.
  long size();

  /// SHA-256 of the bytes, 32 bytes.
  byte[] sha256();

  /// An output of at most 64 KiB.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Inline(byte[] bytes, byte[] sha256) implements Output {
    @Override
    public long size() {
      return bytes.length;
    }
  }

  /// A larger output, in the sandbox's own folder. The caller moves it away or deletes it; what is
  /// left goes when the sandbox closes.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record File(Path path, long size, byte[] sha256) implements Output {}
}
