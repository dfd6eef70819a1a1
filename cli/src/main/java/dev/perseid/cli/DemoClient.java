package dev.perseid.cli;

import java.io.IOException;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/// What the demo asks language models with.
sealed interface DemoClient permits OfficialClient, PlainClient {
  /// What came of a request.
  ///
  /// @param provider address of who answered, where the gateway told
  /// @param firstNs from the call to the first piece of the answer, if there was one
  /// @param totalNs from the call to the answer's end
  /// @param tokens of the answer, as billed
  /// @param cost in credits, as the gateway wrote it
  /// @param wrong what went wrong, if the answer is not whole
  record Heard(
      Optional<String> provider,
      OptionalLong firstNs,
      OptionalLong totalNs,
      OptionalLong tokens,
      Optional<String> cost,
      Optional<String> wrong) {
    static Heard failed(String why) {
      return new Heard(
          Optional.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          Optional.empty(),
          Optional.of(why));
    }
  }

  /// What it is, in few words.
  String name();

  /// Asks, and waits for the whole answer.
  ///
  /// @param gateway its URL, without `/v1`
  /// @param key API key
  /// @param request body of a chat completion, JSON
  /// @param voice gets the answer's pieces as they come
  Heard ask(String gateway, String key, byte[] request, Consumer<String> voice)
      throws IOException, InterruptedException;
}
