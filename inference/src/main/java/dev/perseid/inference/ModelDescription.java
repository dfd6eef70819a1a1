package dev.perseid.inference;

import dev.perseid.core.ModelTask;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/// What an author says about a model, beside its files. Part of what the model's hash names.
///
/// @param name 1 to 96 characters of `[A-Za-z0-9._/-]`
/// @param version 1 to 32 characters of `[A-Za-z0-9._-]`
/// @param task what it is for
/// @param format of its files: `gguf`, `onnx`, `wasm`, or `api` where only a server has them
/// @param quantisation of its weights, e.g. `f32`, `q8_0`; at most 32 characters
/// @param parameters how many it has, 0 if unknown
/// @param contextTokens the longest prompt and answer together, 0 where that has no meaning
/// @param licence SPDX identifier or a name; at most 128 characters
/// @param author for people; at most 128 characters
/// @param royaltyPermille the author's share of each charge, in thousandths
/// @param created when this version was made, with whole seconds
public record ModelDescription(
    String name,
    String version,
    ModelTask task,
    String format,
    String quantisation,
    long parameters,
    int contextTokens,
    String licence,
    String author,
    int royaltyPermille,
    Instant created) {

  /// What is wrong with it, if anything.
  Optional<String> problem() {
    if (!name.matches("[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*") || name.length() > 96) {
      return Optional.of(
          "'name' must have 1 to 96 characters of [A-Za-z0-9._/-], like perseid/tiny-chat");
    }
    if (!version.matches("[A-Za-z0-9._-]{1,32}")) {
      return Optional.of("'version' must have 1 to 32 characters of [A-Za-z0-9._-], like 1.0.0");
    }
    if (!format.matches("gguf|onnx|wasm|api")) {
      return Optional.of("'format' must be gguf, onnx, wasm or api");
    }
    if (!quantisation.matches("[a-z0-9_]{0,32}")) {
      return Optional.of("'quantisation' must have up to 32 characters of [a-z0-9_], like q8_0");
    }
    if (parameters < 0 || contextTokens < 0) {
      return Optional.of("'parameters' and 'context_tokens' must not be negative");
    }
    if (!text(licence) || !text(author)) {
      return Optional.of("'licence' and 'author' must be one line of up to 128 characters");
    }
    if (royaltyPermille < 0 || royaltyPermille > 1_000) {
      return Optional.of("'royalty_permille' must be 0 to 1000");
    }
    if (!created.equals(created.truncatedTo(ChronoUnit.SECONDS))) {
      return Optional.of("'created' must have whole seconds, like 2026-11-25T12:00:00Z");
    }
    return Optional.empty();
  }

  private static boolean text(String line) {
    return line.length() <= 128 && line.codePoints().noneMatch(Character::isISOControl);
  }
}
