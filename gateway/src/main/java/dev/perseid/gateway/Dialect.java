package dev.perseid.gateway;

import java.util.List;

/// A protocol that clients speak: its routes, and its shape of errors. One instance serves all
/// connections, from any thread.
interface Dialect {
  /// Its name, for people.
  String name();

  /// What it answers. Asked once.
  List<Route> routes();

  /// Whether a request may be meant for this dialect, where several have the same path (e.g.
  /// Anthropic's `/v1/models` has a header that OpenAI's lacks). The first dialect that says so and
  /// has a fitting route gets the request.
  default boolean speaks(Inbound in) {
    return true;
  }

  /// Whether errors on this path (which nobody may have a route for) are rendered by this dialect.
  default boolean owns(String path) {
    return false;
  }

  /// A problem as a whole answer. The gateway adds `retry-after` and the like itself.
  Reply.Whole error(Problem problem);

  /// The same, where the shape has the request's name in it.
  ///
  /// @param id the request's name, empty if it has none yet
  default Reply.Whole error(Problem problem, String id) {
    return error(problem);
  }
}
