package dev.perseid.node;

import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.ModelsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.Channel;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// What a pool lists, as a provider needs it: the versions that it may offer, and what the pool
/// asks for its part.
final class PoolCatalog {
  private final Map<Hash, Model> models = new LinkedHashMap<>();
  private final int poolPermille;

  private PoolCatalog(int poolPermille) {
    this.poolPermille = poolPermille;
  }

  /// Asks the pool.
  ///
  /// @param channel with the caller's session
  /// @throws io.grpc.StatusRuntimeException if the pool does not answer
  static PoolCatalog ask(Channel channel) throws Malformed {
    Proto.CatalogPart part =
        ModelsGrpc.newBlockingStub(channel)
            .withDeadlineAfter(ServingLimits.ANSWER_MS, TimeUnit.MILLISECONDS)
            .catalog(Proto.CatalogRequest.getDefaultInstance())
            .next();
    PoolCatalog catalog = new PoolCatalog(part.getPoolPermille());
    for (Proto.ListedModel listed : part.getModelsList()) {
      Model model = ModelParts.read(listed.getModel());
      // A model is what its author signed, whatever the pool says.
      if (!listed.getWithdrawn()
          && Key.verify(
              Digests.model(model),
              Translation.signature(listed.getSignature(), "model.signature"),
              model.author())) {
        catalog.models.put(model.manifest(), model);
      }
    }
    return catalog;
  }

  /// The share of each charge that the pool asks, in thousandths.
  int poolPermille() {
    return poolPermille;
  }

  /// Whether a version is listed and not withdrawn.
  boolean lists(Hash manifest) {
    return models.containsKey(manifest);
  }

  /// The version that a name, a name and version, or a manifest's hash means: of a name alone the
  /// one published last.
  Optional<Model> find(String text) {
    Model found = null;
    Hash hash = hash(text);
    for (Model m : models.values()) {
      if (m.manifest().equals(hash) || m.fullName().equals(text) || m.name().equals(text)) {
        found = m;
      }
    }
    return Optional.ofNullable(found);
  }

  private static @Nullable Hash hash(String text) {
    try {
      return Hash.parse(text);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }
}
