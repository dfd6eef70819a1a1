package dev.perseid.node;

import dev.perseid.core.ApiKeyView;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Rejection;
import dev.perseid.core.Rights;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// Where API keys are made, listed and revoked, whichever way somebody came. A key reaches no
/// further than itself and what it made.
final class KeyDesk {
  /// A key and when it was used last, milliseconds since the epoch, since the pool started.
  record Listed(ApiKeyView key, OptionalLong usedMs) {}

  private final PoolMill mill;
  private final PoolMarket market;

  KeyDesk(PoolMill mill, PoolMarket market) {
    this.mill = mill;
    this.market = market;
  }

  private void execute(Command command) throws PoolMill.Unavailable, PoolJobs.Denied {
    PoolLoop.Reply reply = mill.command(command);
    market.refreshKeys();
    if (reply instanceof PoolLoop.Reply.Refused(Rejection why)) {
      throw new PoolJobs.Denied(why);
    }
  }

  /// Makes a key.
  ///
  /// @param rights empty for requests to models, and nothing else
  void make(Sessions.Session caller, String name, Hash keyHash, Optional<Rights> rights)
      throws PoolMill.Unavailable, PoolJobs.Denied {
    boolean plain = rights.isEmpty() && caller.rights.equals(Rights.ALL) && caller.keys.isEmpty();
    execute(
        plain
            ? new Command.MakeApiKey(caller.caller, keyHash, name)
            : new Command.MakeScopedKey(
                caller.caller,
                keyHash,
                name,
                rights.orElse(Rights.INFERENCE),
                caller.rights,
                caller.key()));
  }

  /// The keys that the caller may see, by hash.
  List<Listed> list(Sessions.Session caller) throws PoolMill.Unavailable {
    return mill.ask(pool -> pool.apiKeys(caller.caller)).stream()
        .filter(key ->
            caller.key().isEmpty() || market.keys().isBelow(key.keyHash(), caller.key().get()))
        .map(key -> new Listed(key, market.keys().usedMs(key.keyHash())))
        .toList();
  }

  /// Makes a key, and all that it made, stand for nobody.
  void revoke(Sessions.Session caller, Hash keyHash) throws PoolMill.Unavailable, PoolJobs.Denied {
    execute(new Command.RevokeApiKey(keyHash, caller.caller, caller.role.operates(), caller.key()));
  }
}
