package dev.perseid.node;

import dev.perseid.core.ApiKeyView;
import dev.perseid.core.Hash;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/// The API keys as the core has them, ready to be looked up with each request, and what of their
/// spending limits requests that run hold. Safe for any thread.
final class KeyBook {
  /// What of a key's limit is taken.
  private static final class Allowance {
    private final long limit;
    private long spent;
    private long held;
    private long unrecorded;

    Allowance(long limit, long spent) {
      this.limit = limit;
      this.spent = spent;
    }

    long free() {
      return Math.max(0, limit - spent - held - unrecorded);
    }
  }

  private record Known(ApiKeyView key, Sessions.Session session) {}

  private final Map<Hash, Allowance> allowances = new HashMap<>();
  private volatile Map<Hash, Known> keys = Map.of();

  /// Takes over what the core has now. Who shows a key that is gone is nobody from now on, and what
  /// it watches ends.
  synchronized void refresh(List<ApiKeyView> all, long nowMs) {
    Map<Hash, ApiKeyView> byHash = new HashMap<>();
    all.forEach(key -> byHash.put(key.keyHash(), key));
    Map<Hash, Known> now = new HashMap<>();
    for (ApiKeyView key : all) {
      Known before = keys.get(key.keyHash());
      now.put(
          key.keyHash(),
          before != null && before.key().madeUs() == key.madeUs()
              ? before
              : new Known(
                  key,
                  new Sessions.Session(
                      key.account(), Role.CONSUMER, key.rights(), line(key, byHash), nowMs)));
      if (key.rights().spendLimit().isPresent()) {
        // Later, what is spent is counted here: the core hears of it through us.
        allowances.computeIfAbsent(
            key.keyHash(), _ -> new Allowance(key.rights().spendLimit().getAsLong(), key.spent()));
      }
    }
    allowances
        .entrySet()
        .removeIf(e ->
            !byHash.containsKey(e.getKey())
                && e.getValue().held == 0
                && e.getValue().unrecorded == 0);
    Map<Hash, Known> old = keys;
    keys = now;
    old.forEach((hash, known) -> {
      if (!known.equals(now.get(hash))) {
        known.session().end();
      }
    });
  }

  private static List<Hash> line(ApiKeyView key, Map<Hash, ApiKeyView> byHash) {
    List<Hash> line = new ArrayList<>();
    line.add(key.keyHash());
    for (Optional<Hash> above = key.parent(); above.isPresent(); ) {
      line.add(above.get());
      ApiKeyView view = byHash.get(above.get());
      above = view == null ? Optional.empty() : view.parent();
    }
    return line;
  }

  /// For whom a key stands now.
  Optional<Sessions.Session> find(String key, long nowMs) {
    Known known = keys.get(Hash.sha256(key.getBytes(StandardCharsets.UTF_8)));
    return known == null || known.key().rights().isOver(nowMs * 1_000)
        ? Optional.empty()
        : Optional.of(known.session());
  }

  /// Whether a key is another one, or was made with it.
  boolean isBelow(Hash key, Hash above) {
    Known known = keys.get(key);
    return known != null && known.session().keys.contains(above);
  }

  /// When a key was used last, since the pool started.
  OptionalLong usedMs(Hash key) {
    Known known = keys.get(key);
    return known == null || known.session().usedMs() <= known.session().openedMs
        ? OptionalLong.empty()
        : OptionalLong.of(known.session().usedMs());
  }

  /// Holds the most that a request may cost on its key and all above it; says what is left if that
  /// is too little, and then holds nothing.
  synchronized OptionalLong hold(List<Hash> line, long amount) {
    for (Hash key : line) {
      Allowance a = allowances.get(key);
      if (a != null && a.free() < amount) {
        return OptionalLong.of(a.free());
      }
    }
    for (Hash key : line) {
      Allowance a = allowances.get(key);
      if (a != null) {
        a.held += amount;
      }
    }
    return OptionalLong.empty();
  }

  /// A request has ended: its hold is over, and `charge` of it counts until the record is durable.
  synchronized void ended(List<Hash> line, long hold, long charge) {
    for (Hash key : line) {
      Allowance a = allowances.get(key);
      if (a != null) {
        a.held -= hold;
        a.unrecorded += charge;
      }
    }
  }

  /// It was recorded.
  ///
  /// @param paid what the record took
  synchronized void recorded(List<Hash> line, long charge, long paid) {
    for (Hash key : line) {
      Allowance a = allowances.get(key);
      if (a != null) {
        a.unrecorded -= charge;
        a.spent += paid;
      }
    }
  }
}
