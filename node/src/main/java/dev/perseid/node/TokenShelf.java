package dev.perseid.node;

import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.inference.Tokens;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/// The tokenizers of listed models: with them the pool counts what providers claim. Loaded on
/// threads of their own; a model whose tokenizer is not there (yet) is counted by bytes. Safe for
/// any thread.
final class TokenShelf {
  /// Loads one.
  interface Loader {
    /// Empty if the model has none that is understood here.
    Optional<Tokens> load(Model model);
  }

  private final Loader loader;
  private final Map<Hash, Tokens> loaded = new ConcurrentHashMap<>();
  private final LinkedHashMap<Hash, Boolean> tried = new LinkedHashMap<>();

  TokenShelf(Loader loader) {
    this.loader = loader;
  }

  /// Begins to load a model's tokenizer, unless that was tried before.
  synchronized void want(Model model) {
    if (tried.size() >= MarketLimits.TOKENIZERS || tried.put(model.manifest(), true) != null) {
      return;
    }
    Thread.ofVirtual()
        .name("tokenizer-" + model.name())
        .start(() -> loader.load(model).ifPresent(t -> loaded.put(model.manifest(), t)));
  }

  Optional<Tokens> get(Hash model) {
    return Optional.ofNullable(loaded.get(model));
  }
}
