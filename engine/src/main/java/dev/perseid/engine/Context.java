package dev.perseid.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The values that travel ([EngineConfig#carrying]), as they were bound at one moment. Those that
/// were not are bound to null: a task may run on top of one that waits, and a binding cannot be
/// taken away.
final class Context {
  private final ScopedValue.Carrier carrier;

  private Context(ScopedValue.Carrier carrier) {
    this.carrier = carrier;
  }

  /// What is bound on this thread; null if nothing travels.
  ///
  /// @param like is returned if it is the same
  static @Nullable Context here(List<ScopedValue<?>> keys, @Nullable Context like) {
    ScopedValue.Carrier all = null;
    boolean same = like != null;
    for (ScopedValue<?> key : keys) {
      same = same && like != null && isSame(key, like.carrier);
    }
    if (same) {
      return like;
    }
    for (ScopedValue<?> key : keys) {
      all = add(key, all);
    }
    return all == null ? null : new Context(all);
  }

  @SuppressWarnings("ReferenceEquality") // what equals says may be costly, or wrong
  private static boolean isSame(ScopedValue<?> key, ScopedValue.Carrier carrier) {
    return carrier.get(key) == (key.isBound() ? key.get() : null);
  }

  @SuppressWarnings("NullAway") // ScopedValue takes null
  private static <T> ScopedValue.Carrier add(
      ScopedValue<T> key, ScopedValue.@Nullable Carrier carrier) {
    T value = key.isBound() ? key.get() : null;
    return carrier == null ? ScopedValue.where(key, value) : carrier.where(key, value);
  }

  <T extends @Nullable Object> T call(ScopedValue.CallableOp<T, Exception> code) throws Exception {
    return carrier.call(code);
  }

  void run(Runnable code) {
    carrier.run(code);
  }
}
