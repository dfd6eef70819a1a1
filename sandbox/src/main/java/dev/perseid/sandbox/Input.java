package dev.perseid.sandbox;

import java.nio.file.Path;

/// One input of a task. Read only; the caller has checked its hash.
public sealed interface Input {
  /// Size in bytes.
  long size();

  /// A small input, at most 64 KiB.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Inline(byte[] bytes) implements Input {
    @Override
    public long size() {
      return bytes.length;
    }
  }

  /// A file of that size. It must stay as it is until the task has ended.
  record File(Path path, long size) implements Input {}
}
