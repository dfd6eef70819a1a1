package dev.perseid.node;

import dev.perseid.core.Model;
import dev.perseid.inference.Backend;

/// Makes what answers requests to a model.
interface BackendMaker extends AutoCloseable {
  /// Fetches, verifies and loads; may take long. Interrupting the thread ends it.
  ///
  /// @throws ModelUnusable saying why there is no such backend now, and what to do about it
  Backend make(ServedModel served, Model model) throws ModelUnusable, InterruptedException;

  /// Ends what the backends share; after they were closed.
  @Override
  default void close() {}
}
