package dev.perseid.gateway;

import java.util.List;

/// All protocols that this gateway speaks.
final class Dialects {
  private Dialects() {}

  /// The first one that speaks and has a fitting route gets a request; the last one renders the
  /// errors of paths that nobody owns.
  static List<Dialect> all(Market market) {
    return List.of(
        new AnthropicDialect(market),
        new ResponsesDialect(),
        new OllamaDialect(),
        new OpenInferenceDialect(market),
        new OpenAiDialect());
  }
}
