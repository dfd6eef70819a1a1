package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Model;
import dev.perseid.core.ModelView;
import dev.perseid.core.Pool;
import dev.perseid.core.Rejection;
import dev.perseid.core.Standing;
import dev.perseid.gateway.Market;
import dev.perseid.inference.AuditPolicy;
import dev.perseid.inference.Manifest;
import dev.perseid.settle.Digests;
import dev.perseid.wire.KeyParts;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.ModelsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.Context;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// What authors, consumers and providers ask about models and keys.
final class PoolModels extends ModelsGrpc.ModelsImplBase {
  private final PoolMill mill;
  private final PoolMarket market;
  private final BlobStore blobs;
  private final BlobGrants grants;
  private final PublishedFiles published;
  private final int poolPermille;
  private final KeyDesk desk;
  private final Signatures signatures;
  private final Semaphore followers = new Semaphore(MarketLimits.FOLLOWERS);

  PoolModels(
      PoolMill mill,
      PoolMarket market,
      BlobStore blobs,
      BlobGrants grants,
      PublishedFiles published,
      int poolPermille,
      KeyDesk desk,
      Signatures signatures) {
    this.mill = mill;
    this.market = market;
    this.blobs = blobs;
    this.grants = grants;
    this.published = published;
    this.poolPermille = poolPermille;
    this.desk = desk;
    this.signatures = signatures;
  }

  private void execute(Command command) throws PoolMill.Unavailable, PoolJobs.Denied {
    if (mill.command(command) instanceof PoolLoop.Reply.Refused(Rejection why)) {
      throw new PoolJobs.Denied(why);
    }
  }

  private static PoolJobs.Denied denied(Rejection.Code code, String message) {
    return new PoolJobs.Denied(new Rejection(code, message));
  }

  @Override
  public void publish(Proto.PublishRequest request, StreamObserver<Proto.PublishReply> out) {
    Sessions.Session caller = PoolServer.CALLER.get();
    PoolJobs.serve(
        out,
        refusal -> PoolJobs.reply(out, Proto.PublishReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          Model model = ModelParts.read(request.getModel());
          String signature = Translation.signature(request.getSignature(), "signature");
          if (!model.author().equals(caller.caller)) {
            throw denied(
                Rejection.Code.FORBIDDEN,
                "the model's author is "
                    + model.author()
                    + " but you are "
                    + caller.caller
                    + ": log in with the author's key");
          }
          Hash hash = Digests.model(model);
          PoolJobs.signed(
              signatures,
              model.author(),
              hash,
              signature,
              "the author's signature over the model's EIP-712 digest " + hash);
          List<ModelFiles.File> files = files(model, caller);
          Manifest manifest;
          try {
            manifest = ModelFiles.check(blobs, model);
          } catch (ModelFiles.Wrong e) {
            throw denied(Rejection.Code.INVALID, String.valueOf(e.getMessage()));
          }
          execute(new Command.PublishModel(model, hash, signature));
          market.takes(model.manifest(), manifest.signature());
          market.refresh();
          publish(model, files);
          PoolJobs.reply(out, Proto.PublishReply.getDefaultInstance());
        });
  }

  /// The files that a manifest names, all of which its author must have stored.
  private List<ModelFiles.File> files(Model model, Sessions.Session caller)
      throws PoolJobs.Denied, IOException {
    Hash manifest = model.manifest();
    if (!grants.has(caller.caller, manifest)) {
      throw missing(new Blob(manifest, 0), "the manifest");
    }
    List<ModelFiles.File> files;
    try {
      files = ModelFiles.read(blobs, manifest);
    } catch (ModelFiles.Wrong e) {
      throw denied(Rejection.Code.INVALID, String.valueOf(e.getMessage()));
    }
    for (ModelFiles.File file : files) {
      if (!file.blob().equals(Blob.EMPTY)
          && !(grants.has(caller.caller, file.blob().hash()) && blobs.has(file.blob()))) {
        throw missing(file.blob(), "file '" + file.title() + "'");
      }
    }
    return files;
  }

  private static PoolJobs.Denied missing(Blob blob, String what) {
    return denied(
        Rejection.Code.INVALID,
        what
            + " ("
            + blob.hash()
            + ") is not in the pool, or not stored by you: PUT /v1/blobs/"
            + blob.hash().hex()
            + " first");
  }

  private void publish(Model model, List<ModelFiles.File> files) {
    published.add(model.manifest());
    for (ModelFiles.File file : files) {
      published.add(file.blob().hash());
    }
  }

  /// Opens the files of all listed models, after a restart.
  void openListed() throws PoolMill.Unavailable, IOException {
    for (ModelView view : mill.ask(Pool::models)) {
      try {
        publish(view.model(), ModelFiles.read(blobs, view.model().manifest()));
        market.takes(view.model().manifest(), ModelFiles.check(blobs, view.model()).signature());
      } catch (ModelFiles.Wrong e) {
        System.getLogger(PoolModels.class.getName())
            .log(
                System.Logger.Level.WARNING,
                "model "
                    + view.model().fullName()
                    + " is listed but incomplete: "
                    + e.getMessage());
      }
    }
  }

  @Override
  public void withdraw(Proto.WithdrawRequest request, StreamObserver<Proto.WithdrawReply> out) {
    Sessions.Session caller = PoolServer.CALLER.get();
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(out, Proto.WithdrawReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          execute(
              new Command.WithdrawModel(
                  Translation.hash(request.getManifest(), "manifest"),
                  caller.caller,
                  caller.role.operates()));
          market.refresh();
          PoolJobs.reply(out, Proto.WithdrawReply.getDefaultInstance());
        });
  }

  @Override
  public void catalog(Proto.CatalogRequest request, StreamObserver<Proto.CatalogPart> out) {
    Sessions.Session caller = PoolServer.CALLER.get();
    PoolJobs.serve(
        out,
        refusal -> out.onError(PoolJobs.denied(refusal)),
        () -> {
          if (!request.getFollow()) {
            PoolJobs.reply(out, part(market.catalog(), market.listed()));
            return;
          }
          if (!followers.tryAcquire()) {
            throw denied(
                Rejection.Code.OVERLOADED, "too many follow the catalog: ask now and then instead");
          }
          try {
            follow(caller, out);
          } finally {
            followers.release();
          }
        });
  }

  /// On the call's own thread, as [PoolJobs#watch].
  private void follow(Sessions.Session caller, StreamObserver<Proto.CatalogPart> out) {
    CountDownLatch over = new CountDownLatch(1);
    Context.current().addListener(_ -> over.countDown(), Runnable::run);
    Proto.CatalogPart told = null;
    try {
      do {
        Proto.CatalogPart now = part(market.catalog(), market.listed());
        if (told == null || !told.getModelsList().equals(now.getModelsList())) {
          out.onNext(now);
          told = now;
        }
        if (caller.isOver()) {
          out.onError(PoolJobs.revoked());
          return;
        }
      } while (!over.await(MarketLimits.FOLLOW_MS, TimeUnit.MILLISECONDS));
      out.onCompleted();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Proto.CatalogPart part(Market.Catalog catalog, PoolMarket.Listed listed) {
    Map<Hash, List<Market.Listing>> listings = catalog.listings();
    Proto.CatalogPart.Builder part =
        Proto.CatalogPart.newBuilder().setVersion(catalog.version()).setPoolPermille(poolPermille);
    for (ModelView view : listed.models()) {
      Proto.ListedModel.Builder model =
          Proto.ListedModel.newBuilder()
              .setModel(ModelParts.write(view.model()))
              .setSignature(Translation.signature(view.signature()))
              .setPublishedUs(view.publishedUs())
              .setWithdrawn(view.withdrawn());
      market
          .signature(view.model().manifest())
          .map(InferenceParts::write)
          .filter(t -> t.getSerializedSize() <= MarketLimits.LISTED_SIGNATURE_BYTES)
          .ifPresent(model::setTensors);
      market.audited(view.model()).ifPresent(rates -> model.setAudits(rates(rates)));
      for (Market.Listing l : listings.getOrDefault(view.model().manifest(), List.of())) {
        String signature = listed.signatures().get(l.offerHash());
        if (signature != null) {
          model.addOffers(
              offer(l, signature, listed).setStanding(word(market.standing(l.offer()))));
        }
      }
      part.addModels(model);
    }
    return part.build();
  }

  private static Proto.AuditRates rates(AuditPolicy policy) {
    return Proto.AuditRates.newBuilder()
        .setNewcomer(policy.newcomer())
        .setKnown(policy.known())
        .setRepeat(policy.repeat())
        .setCanary(policy.canary())
        .build();
  }

  private static String word(Standing standing) {
    return standing.name().toLowerCase(Locale.ROOT);
  }

  private static Proto.ListedOffer.Builder offer(
      Market.Listing l, String signature, PoolMarket.Listed listed) {
    Market.Live live = l.live();
    Proto.ListedOffer.Builder offer =
        Proto.ListedOffer.newBuilder()
            .setOffer(ModelParts.write(l.offer(), signature))
            .setOfferHash(Translation.bytes(l.offerHash()))
            .setReachable(live.reachable())
            .setRunning(live.running())
            .setWaiting(live.waiting())
            .setFailedShare(live.failedShare())
            .setTrustPermille(live.trust())
            .setProviderName(listed.names().getOrDefault(l.offer().provider(), ""));
    live.firstTokenMs().ifPresent(offer::setFirstTokenMs);
    live.firstTokenP90Ms().ifPresent(offer::setFirstTokenP90Ms);
    live.tokensPerS().ifPresent(offer::setTokensPerS);
    live.microjoulesPerToken().ifPresent(offer::setMicrojoulesPerToken);
    live.honours()
        .ifPresent(names -> offer.setHonours(Proto.Honoured.newBuilder().addAllParameters(names)));
    return offer;
  }

  @Override
  public void makeKey(Proto.MakeKeyRequest request, StreamObserver<Proto.MakeKeyReply> out) {
    Sessions.Session caller = PoolServer.CALLER.get();
    PoolJobs.serve(
        out,
        refusal -> PoolJobs.reply(out, Proto.MakeKeyReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          if (request.getName().length() > Limits.API_KEY_NAME_CHARS) {
            throw new Malformed("name has more than " + Limits.API_KEY_NAME_CHARS + " characters");
          }
          desk.make(
              caller,
              request.getName(),
              Translation.hash(request.getKeyHash(), "key_hash"),
              request.hasRights()
                  ? Optional.of(KeyParts.read(request.getRights()))
                  : Optional.empty());
          PoolJobs.reply(out, Proto.MakeKeyReply.getDefaultInstance());
        });
  }

  @Override
  public void listKeys(Proto.ListKeysRequest request, StreamObserver<Proto.ListKeysReply> out) {
    Sessions.Session caller = PoolServer.CALLER.get();
    PoolJobs.serve(
        out,
        refusal -> out.onError(PoolJobs.denied(refusal)),
        () -> {
          Proto.ListKeysReply.Builder reply = Proto.ListKeysReply.newBuilder();
          for (KeyDesk.Listed listed : desk.list(caller)) {
            Proto.ApiKey.Builder key = KeyParts.write(listed.key()).toBuilder();
            listed.usedMs().ifPresent(ms -> key.setUsedUs(ms * 1_000));
            reply.addKeys(key);
          }
          PoolJobs.reply(out, reply.build());
        });
  }

  @Override
  public void revokeKey(Proto.RevokeKeyRequest request, StreamObserver<Proto.RevokeKeyReply> out) {
    Sessions.Session caller = PoolServer.CALLER.get();
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(out, Proto.RevokeKeyReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          desk.revoke(caller, Translation.hash(request.getKeyHash(), "key_hash"));
          PoolJobs.reply(out, Proto.RevokeKeyReply.getDefaultInstance());
        });
  }
}
