package dev.perseid.engine;

import java.io.IOException;

/// Records cannot be written or read; the message says where, why, and what to do.
public final class RecordFailure extends IOException {
  private static final long serialVersionUID = 1;

  RecordFailure(String message, Throwable cause) {
    super(message, cause);
  }

  RecordFailure(String message) {
    super(message);
  }
}
