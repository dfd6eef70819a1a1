package dev.perseid.settle;

import java.io.IOException;
import java.io.Serial;

/// A key or password file that cannot be used; the message says which, why, and what to do.
public final class KeyFileException extends IOException {
  @Serial private static final long serialVersionUID = 1;

  KeyFileException(String message) {
    super(message);
  }
}
