package dev.perseid.journal;

import java.io.IOException;
import java.io.Serial;

/// The record store cannot be opened or written; the message says why and what to do. The store
/// itself stays as it was before the call.
public final class StoreException extends IOException {
  @Serial private static final long serialVersionUID = 1;

  StoreException(String message) {
    super(message);
  }

  StoreException(String message, Throwable cause) {
    super(message, cause);
  }
}
