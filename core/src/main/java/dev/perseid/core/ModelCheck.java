package dev.perseid.core;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// Says what is wrong with a model before it is listed, and with an offer of one.
final class ModelCheck {
  private static final List<String> FORMATS = List.of("gguf", "onnx", "wasm", "api");

  private ModelCheck() {}

  static @Nullable String problem(Model m) {
    if (m.author().equals(Address.ZERO)) {
      return "the model's author is the zero address: sign it with the author's key";
    }
    if (!isModelName(m.name())) {
      return "the model's name is "
          + Text.quote(m.name())
          + ": use 1 to "
          + Limits.MODEL_NAME_CHARS
          + " characters of A-Z a-z 0-9 . _ - and / between parts, e.g. me/my-model";
    }
    if (!Text.isName(m.version(), Limits.MODEL_WORD_CHARS)) {
      return "the model's version is "
          + Text.quote(m.version())
          + ": use 1 to "
          + Limits.MODEL_WORD_CHARS
          + " characters of A-Z a-z 0-9 . _ -";
    }
    if (!FORMATS.contains(m.format())) {
      return "the model's format is " + Text.quote(m.format()) + ": write one of " + FORMATS;
    }
    if (!m.quantisation().isEmpty() && !Text.isName(m.quantisation(), Limits.MODEL_WORD_CHARS)) {
      return "the model's quantisation is "
          + Text.quote(m.quantisation())
          + ": write e.g. f16, q8_0 or q4_k_m, or nothing";
    }
    if (m.parameters() < 0 || m.parameters() > Limits.MODEL_PARAMETERS) {
      return "the model has " + m.parameters() + " parameters: write 0 if it is not known";
    }
    if (m.contextTokens() < 0 || m.contextTokens() > Limits.CONTEXT_TOKENS) {
      return "the model's context is of "
          + m.contextTokens()
          + " tokens: write 0 to "
          + Limits.CONTEXT_TOKENS;
    }
    if (m.licence().isEmpty()
        || m.licence().length() > Limits.MODEL_TEXT_CHARS
        || !Text.isLine(m.licence())) {
      return "the model's licence must be 1 to "
          + Limits.MODEL_TEXT_CHARS
          + " characters, e.g. Apache-2.0";
    }
    if (m.royaltyPermille() < 0 || m.royaltyPermille() > Limits.ROYALTY_PERMILLE) {
      return "a royalty of "
          + m.royaltyPermille()
          + " thousandths is out of range: write 0 to "
          + Limits.ROYALTY_PERMILLE;
    }
    return m.madeUs() < 0 ? "the model was signed before 1970: set the author's clock" : null;
  }

  static boolean isModelName(String name) {
    if (name.isEmpty() || name.length() > Limits.MODEL_NAME_CHARS) {
      return false;
    }
    for (String part : name.split("/", -1)) {
      if (!Text.isName(part, Limits.MODEL_NAME_CHARS) || part.chars().allMatch(c -> c == '.')) {
        return false;
      }
    }
    return true;
  }

  /// @param model what is offered
  /// @param poolPermille the share that the pool asks
  static @Nullable String problem(ModelOffer o, Model model, int poolPermille) {
    if (o.region().length() > Limits.REGION_CHARS || !Text.isLine(o.region())) {
      return "its region must be one line of at most " + Limits.REGION_CHARS + " characters";
    }
    if (!o.quantisation().isEmpty() && !Text.isName(o.quantisation(), Limits.MODEL_WORD_CHARS)) {
      return "its quantisation is " + Text.quote(o.quantisation()) + ": write e.g. f16 or q8_0";
    }
    if (o.backend().isEmpty()
        || o.backend().length() > Limits.MODEL_TEXT_CHARS
        || !Text.isLine(o.backend())) {
      return "its backend must be one line of 1 to " + Limits.MODEL_TEXT_CHARS + " characters";
    }
    TokenPrice p = o.price();
    for (long price :
        new long[] {
          p.perMillionPrompt(),
          p.perMillionCached(),
          p.perMillionCompletion(),
          p.perMillionRows(),
          p.perMillionRequests()
        }) {
      if (price < 0 || price > Limits.PRICE) {
        return "a price is out of range: write 0 to " + Limits.PRICE + " microcredits";
      }
    }
    if (o.royaltyPermille() > Limits.ROYALTY_PERMILLE || o.poolPermille() > Limits.POOL_PERMILLE) {
      return "it gives the author "
          + o.royaltyPermille()
          + " and the pool "
          + o.poolPermille()
          + " thousandths of each charge: write at most "
          + Limits.ROYALTY_PERMILLE
          + " and "
          + Limits.POOL_PERMILLE;
    }
    if (o.royaltyPermille() < model.royaltyPermille()) {
      return "it gives the author "
          + o.royaltyPermille()
          + " thousandths of each charge, but the model asks "
          + model.royaltyPermille();
    }
    if (o.poolPermille() < poolPermille) {
      return "it gives the pool "
          + o.poolPermille()
          + " thousandths of each charge, but the pool asks "
          + poolPermille;
    }
    if (o.parallel() < 1 || o.parallel() > Limits.OFFER_PARALLEL) {
      return "it answers "
          + o.parallel()
          + " requests at once: write 1 to "
          + Limits.OFFER_PARALLEL;
    }
    if (o.contextTokens() < 0 || o.contextTokens() > Limits.CONTEXT_TOKENS) {
      return "its context is of " + o.contextTokens() + " tokens: write 0 or more";
    }
    if (o.endpoint().length() > Limits.ENDPOINT_CHARS
        || !Text.isLine(o.endpoint())
        || !(o.endpoint().isEmpty() || o.endpoint().matches("https?://[^\\s]+"))) {
      return "its endpoint must be empty or an http or https URL of at most "
          + Limits.ENDPOINT_CHARS
          + " characters";
    }
    return o.madeUs() < 0 ? "it was made before 1970: set the provider's clock" : null;
  }
}
