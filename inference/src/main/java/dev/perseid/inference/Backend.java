package dev.perseid.inference;

import java.util.NavigableSet;
import java.util.Optional;

/// Something that answers requests to one model. Safe for any thread.
public interface Backend extends AutoCloseable {
  /// What it can do right now.
  ///
  /// @param healthy whether it answers at all; false with a reason in `problem`
  /// @param parallel requests that it answers at once
  /// @param running requests that it answers now
  /// @param waiting requests that wait in it
  /// @param problem one sentence if it is not healthy, else empty
  record Health(boolean healthy, int parallel, int running, int waiting, String problem) {}

  /// Begins to answer. Never blocks for long and never throws for what is wrong with the request:
  /// that is told to `answer`.
  ///
  /// @return stops the answer; it ends with `failed(CANCELLED)` soon after, unless it has ended.
  ///   May be run at any time, any number of times
  Runnable ask(Request request, Answer answer);

  /// How it is doing.
  Health health();

  /// Its name and version, for records: e.g. `perseid-vector 0.1.0`.
  String name();

  /// The parameters of requests that it honours ([Parameters]); empty if it does not know.
  default Optional<NavigableSet<String>> honours() {
    return Optional.empty();
  }

  @Override
  void close();
}
