package dev.perseid.core;

import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What an API key, or a session that asked for less than everything, may do on its account.
///
/// @param scopes which kinds of things; in the order of the enum
/// @param models names of the models that it may ask; empty for all. Kept in order, each once
/// @param spendLimit the most that requests to models may cost in all, microcredits
/// @param untilUs when it ends, microseconds since the epoch by the pool's clock
public record Rights(
    Set<Scope> scopes, List<String> models, OptionalLong spendLimit, OptionalLong untilUs) {
  /// Everything that a consumer may do.
  public static final Rights ALL = of(EnumSet.allOf(Scope.class));

  /// What every API key could do before there were scopes.
  public static final Rights INFERENCE = of(EnumSet.of(Scope.INFERENCE));

  // A scope's code is its place here, for ever.
  private static final List<Scope> CODES =
      List.of(Scope.READ, Scope.INFERENCE, Scope.JOBS, Scope.MODELS, Scope.KEYS, Scope.MONEY);

  public Rights {
    EnumSet<Scope> ordered = EnumSet.noneOf(Scope.class);
    ordered.addAll(scopes);
    scopes = Collections.unmodifiableSet(ordered);
    models = models.stream().distinct().sorted().toList();
  }

  /// These scopes, for all models, without limits.
  public static Rights of(Set<Scope> scopes) {
    return new Rights(scopes, List.of(), OptionalLong.empty(), OptionalLong.empty());
  }

  /// Whether it may do things of this kind.
  public boolean has(Scope scope) {
    return scopes.contains(scope);
  }

  /// Whether it may ask a model of this name.
  public boolean mayAsk(String model) {
    return models.isEmpty() || models.contains(model);
  }

  /// Whether it has ended.
  public boolean isOver(long nowUs) {
    return untilUs.isPresent() && untilUs.getAsLong() <= nowUs;
  }

  /// What these rights have beyond others; null if nothing. One sentence's end.
  public @Nullable String beyond(Rights other) {
    for (Scope scope : CODES) {
      if (has(scope) && !other.has(scope)) {
        return "the scope '" + scope.word() + "'";
      }
    }
    if (models.isEmpty() && !other.models.isEmpty()) {
      return "all models, not only " + String.join(", ", other.models);
    }
    for (String model : models) {
      if (!other.mayAsk(model)) {
        return "the model " + Text.quote(model);
      }
    }
    if (other.spendLimit.isPresent()
        && (spendLimit.isEmpty() || spendLimit.getAsLong() > other.spendLimit.getAsLong())) {
      return "a spending limit above " + Text.credits(other.spendLimit.getAsLong());
    }
    if (other.untilUs.isPresent()
        && (untilUs.isEmpty() || untilUs.getAsLong() > other.untilUs.getAsLong())) {
      return "a later end";
    }
    return null;
  }

  /// What is wrong with rights that somebody asks for; null if nothing.
  @Nullable String problem(long nowUs) {
    if (scopes.isEmpty()) {
      return "it has no scope: name one or more of read, inference, jobs, models, keys, money";
    }
    if (models.size() > Limits.API_KEY_MODELS) {
      return models.size() + " models are too many: name at most " + Limits.API_KEY_MODELS;
    }
    for (String model : models) {
      if (!ModelCheck.isModelName(model)) {
        return "'" + Text.shown(model, Limits.MODEL_NAME_CHARS) + "' is no model's name";
      }
    }
    if (spendLimit.isPresent()
        && (spendLimit.getAsLong() < 0 || spendLimit.getAsLong() > Limits.CREDITS)) {
      return "its spending limit must be from 0 to " + Limits.CREDITS + " microcredits";
    }
    return isOver(nowUs) ? "it would have ended already: choose a later end" : null;
  }

  void write(Out out) {
    out.number(scopes.size());
    for (Scope scope : CODES) {
      if (has(scope)) {
        out.choice(scope, CODES);
      }
    }
    out.number(models.size());
    for (String model : models) {
      out.sharedText(model);
    }
    out.optional(spendLimit);
    out.optional(untilUs);
  }

  static Rights read(In in) {
    EnumSet<Scope> scopes = EnumSet.noneOf(Scope.class);
    int count = in.count();
    for (int i = 0; i < count; i++) {
      if (!scopes.add(in.choice(CODES))) {
        throw in.malformed("a scope stands twice");
      }
    }
    int names = in.count();
    List<String> models = in.list(names);
    for (int i = 0; i < names; i++) {
      models.add(in.sharedText());
    }
    return new Rights(scopes, models, in.optional(), in.optional());
  }
}
