package dev.perseid.node;

import java.io.IOException;

/// The pool cannot start. The message says why and what to do.
public final class PoolStartException extends IOException {
  PoolStartException(String message) {
    super(message);
  }

  PoolStartException(String message, Throwable cause) {
    super(message, cause);
  }
}
