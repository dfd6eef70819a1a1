package dev.perseid.node;

import dev.perseid.core.Model;
import dev.perseid.inference.AuditPolicy;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// How much a pool audits.
///
/// @param usual rates of models that have none of their own
/// @param models rates by `name:version`, or by `name` for all versions
/// @param delayMs questions of the pool's own come up to this long after the request that they
///   follow
public record AuditTerms(AuditPolicy usual, Map<String, AuditPolicy> models, long delayMs) {
  /// The usual rates for all models.
  public static final AuditTerms USUAL =
      new AuditTerms(AuditPolicy.USUAL, Map.of(), MarketLimits.AUDIT_DELAY_MS);

  /// @throws IllegalArgumentException with what is wrong and what to write instead
  public AuditTerms {
    models = Map.copyOf(models);
    if (models.size() > MarketLimits.AUDITED_MODELS) {
      throw new IllegalArgumentException(
          "rates of "
              + models.size()
              + " models: at most "
              + MarketLimits.AUDITED_MODELS
              + " can have their own");
    }
    if (delayMs < 0 || delayMs > MarketLimits.AUDIT_DELAY_MS) {
      throw new IllegalArgumentException(
          "a delay of " + delayMs + " ms: write 0 to " + MarketLimits.AUDIT_DELAY_MS);
    }
  }

  /// The rates of a model.
  public AuditPolicy of(Model model) {
    AuditPolicy own = models.get(model.fullName());
    return own == null ? models.getOrDefault(model.name(), usual) : own;
  }

  /// The same with what a text says: `newcomer=200,known=10,repeat=2,canary=2`, in thousandths, for
  /// all models, or for one with `@MODEL` behind it. What is left out stays as it is.
  ///
  /// @throws IllegalArgumentException with what is wrong and what to write instead
  public AuditTerms with(String text) {
    int at = text.indexOf('@');
    Optional<String> model = at < 0 ? Optional.empty() : Optional.of(text.substring(at + 1));
    if (model.isPresent() && model.get().isBlank()) {
      throw new IllegalArgumentException("'" + text + "' names no model behind the @");
    }
    AuditPolicy base = model.map(m -> models.getOrDefault(m, usual)).orElse(usual);
    int newcomer = base.newcomer();
    int known = base.known();
    int repeat = base.repeat();
    int canary = base.canary();
    for (String part : (at < 0 ? text : text.substring(0, at)).split(",", -1)) {
      int equals = part.indexOf('=');
      String word = equals < 0 ? part : part.substring(0, equals).strip().toLowerCase(Locale.ROOT);
      String number = equals < 0 ? "" : part.substring(equals + 1).strip();
      if (!number.matches("[0-9]{1,4}")) {
        throw new IllegalArgumentException(
            "'" + part + "' is no rate: write e.g. newcomer=200, in thousandths of the requests");
      }
      int rate = Integer.parseInt(number);
      switch (word) {
        case "newcomer" -> newcomer = rate;
        case "known" -> known = rate;
        case "repeat" -> repeat = rate;
        case "canary" -> canary = rate;
        default ->
            throw new IllegalArgumentException(
                "there is no rate '" + word + "': write newcomer, known, repeat or canary");
      }
    }
    AuditPolicy policy = new AuditPolicy(newcomer, known, repeat, canary);
    if (model.isEmpty()) {
      return new AuditTerms(policy, models, delayMs);
    }
    Map<String, AuditPolicy> more = new LinkedHashMap<>(models);
    more.put(model.get(), policy);
    return new AuditTerms(usual, more, delayMs);
  }

  /// The same with another delay.
  AuditTerms withDelay(long ms) {
    return new AuditTerms(usual, models, ms);
  }
}
