package dev.perseid.wire;

import com.google.protobuf.ByteString;
import dev.perseid.core.ApiKeyView;
import dev.perseid.core.Limits;
import dev.perseid.core.Rights;
import dev.perseid.core.Scope;
import dev.perseid.wire.v1.Proto;
import java.util.EnumSet;
import java.util.Optional;
import java.util.OptionalLong;

/// API keys and what they may do, as messages and back.
public final class KeyParts {
  private KeyParts() {}

  /// Rights as a message.
  public static Proto.KeyRights write(Rights rights) {
    Proto.KeyRights.Builder b = Proto.KeyRights.newBuilder();
    rights.scopes().forEach(scope -> b.addScopes(scope.word()));
    b.addAllModels(rights.models());
    rights.spendLimit().ifPresent(b::setSpendLimit);
    rights.untilUs().ifPresent(b::setUntilUs);
    return b.build();
  }

  /// A key as a message, without when it was used.
  public static Proto.ApiKey write(ApiKeyView key) {
    return Proto.ApiKey.newBuilder()
        .setKeyHash(Translation.bytes(key.keyHash()))
        .setName(key.name())
        .setMadeUs(key.madeUs())
        .setRights(write(key.rights()))
        .setParent(key.parent().map(Translation::bytes).orElse(ByteString.EMPTY))
        .setSpent(key.spent())
        .build();
  }

  /// What a message asks for; whether it may be had is for the core.
  public static Rights read(Proto.KeyRights m) throws Malformed {
    if (m.getScopesCount() > Scope.values().length) {
      throw new Malformed("rights.scopes has " + m.getScopesCount() + " elements");
    }
    if (m.getModelsCount() > Limits.API_KEY_MODELS) {
      throw new Malformed(
          "rights.models has more than " + Limits.API_KEY_MODELS + " elements: name fewer");
    }
    EnumSet<Scope> scopes = EnumSet.noneOf(Scope.class);
    for (String word : m.getScopesList()) {
      Optional<Scope> scope = Scope.of(word);
      if (scope.isEmpty()) {
        throw new Malformed(
            "there is no such scope: write read, inference, jobs, models, keys or money");
      }
      scopes.add(scope.get());
    }
    return new Rights(
        scopes,
        m.getModelsList(),
        m.hasSpendLimit() ? OptionalLong.of(m.getSpendLimit()) : OptionalLong.empty(),
        m.hasUntilUs() ? OptionalLong.of(m.getUntilUs()) : OptionalLong.empty());
  }
}
