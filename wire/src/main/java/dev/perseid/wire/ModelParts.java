package dev.perseid.wire;

import dev.perseid.core.Address;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.TokenPrice;
import dev.perseid.wire.v1.Proto;
import java.util.Optional;

/// Models and their offers as protobuf messages and back: as [Translation].
public final class ModelParts {
  private ModelParts() {}

  /// A model.
  public static Proto.Model write(Model m) {
    return Proto.Model.newBuilder()
        .setAuthor(Translation.bytes(m.author()))
        .setName(m.name())
        .setVersion(m.version())
        .setManifest(Translation.bytes(m.manifest()))
        .setTask(word(m.task()))
        .setFormat(m.format())
        .setQuantisation(m.quantisation())
        .setParameters(m.parameters())
        .setContextTokens(m.contextTokens())
        .setLicence(m.licence())
        .setRoyaltyPermille(m.royaltyPermille())
        .setMadeUs(m.madeUs())
        .build();
  }

  /// A model; whether it makes sense is decided in core.
  public static Model read(Proto.Model m) throws Malformed {
    return new Model(
        Translation.address(m.getAuthor(), "model.author"),
        Translation.text(m.getName(), WireLimits.NAME_CHARS, "model.name"),
        Translation.text(m.getVersion(), WireLimits.NAME_CHARS, "model.version"),
        Translation.hash(m.getManifest(), "model.manifest"),
        task(m.getTask()),
        Translation.text(m.getFormat(), WireLimits.NAME_CHARS, "model.format"),
        Translation.text(m.getQuantisation(), WireLimits.NAME_CHARS, "model.quantisation"),
        m.getParameters(),
        m.getContextTokens(),
        Translation.text(m.getLicence(), WireLimits.NAME_CHARS, "model.licence"),
        m.getRoyaltyPermille(),
        m.getMadeUs());
  }

  /// A model offer with its signature.
  public static Proto.ModelOffer write(ModelOffer o, String signature) {
    TokenPrice p = o.price();
    Proto.ModelOffer.Builder b =
        Proto.ModelOffer.newBuilder()
            .setProvider(Translation.bytes(o.provider()))
            .setModel(Translation.bytes(o.model()))
            .setRegion(o.region())
            .setQuantisation(o.quantisation())
            .setBackend(o.backend())
            .setPrice(
                Proto.TokenPrice.newBuilder()
                    .setPerMillionPrompt(p.perMillionPrompt())
                    .setPerMillionCached(p.perMillionCached())
                    .setPerMillionCompletion(p.perMillionCompletion())
                    .setPerMillionRows(p.perMillionRows())
                    .setPerMillionRequests(p.perMillionRequests()))
            .setRoyaltyPermille(o.royaltyPermille())
            .setPoolPermille(o.poolPermille())
            .setParallel(o.parallel())
            .setContextTokens(o.contextTokens())
            .setPolicy(word(o.policy()))
            .setEndpoint(o.endpoint())
            .setMadeUs(o.madeUs())
            .setSignature(Translation.signature(signature));
    o.sealKey().ifPresent(k -> b.setSealKey(Translation.bytes(k)));
    return b.build();
  }

  /// A model offer; its signature is read by [#signature].
  public static ModelOffer read(Proto.ModelOffer o) throws Malformed {
    Proto.TokenPrice p = o.getPrice();
    Optional<Hash> sealKey =
        o.hasSealKey()
            ? Optional.of(Translation.hash(o.getSealKey(), "offer.seal_key"))
            : Optional.empty();
    Address provider = Translation.address(o.getProvider(), "offer.provider");
    return new ModelOffer(
        provider,
        Translation.hash(o.getModel(), "offer.model"),
        Translation.text(o.getRegion(), WireLimits.NAME_CHARS, "offer.region"),
        Translation.text(o.getQuantisation(), WireLimits.NAME_CHARS, "offer.quantisation"),
        Translation.text(o.getBackend(), WireLimits.NAME_CHARS, "offer.backend"),
        new TokenPrice(
            p.getPerMillionPrompt(),
            p.getPerMillionCached(),
            p.getPerMillionCompletion(),
            p.getPerMillionRows(),
            p.getPerMillionRequests()),
        o.getRoyaltyPermille(),
        o.getPoolPermille(),
        o.getParallel(),
        o.getContextTokens(),
        policy(o.getPolicy()),
        sealKey,
        Translation.text(o.getEndpoint(), Limits.ENDPOINT_CHARS, "offer.endpoint"),
        o.getMadeUs());
  }

  /// The signature of an offer.
  public static String signature(Proto.ModelOffer o) throws Malformed {
    return Translation.signature(o.getSignature(), "offer.signature");
  }

  private static String word(ModelTask task) {
    return switch (task) {
      case CHAT -> "chat";
      case EMBED -> "embed";
      case PREDICT -> "predict";
    };
  }

  private static ModelTask task(String word) throws Malformed {
    return switch (word) {
      case "chat" -> ModelTask.CHAT;
      case "embed" -> ModelTask.EMBED;
      case "predict" -> ModelTask.PREDICT;
      default -> throw new Malformed("model.task is none of chat, embed, predict");
    };
  }

  private static String word(DataPolicy policy) {
    return switch (policy) {
      case KEEPS_NOTHING -> "keeps-nothing";
      case KEEPS -> "keeps";
      case COLLECTS -> "collects";
    };
  }

  private static DataPolicy policy(String word) throws Malformed {
    return switch (word) {
      case "keeps-nothing" -> DataPolicy.KEEPS_NOTHING;
      case "keeps" -> DataPolicy.KEEPS;
      case "collects" -> DataPolicy.COLLECTS;
      default -> throw new Malformed("offer.policy is none of keeps-nothing, keeps, collects");
    };
  }
}
