package dev.perseid.node;

import com.google.protobuf.UnsafeByteOperations;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.gateway.Market;
import dev.perseid.inference.AnswerScan;
import dev.perseid.inference.Api;
import dev.perseid.inference.BrokenAnswer;
import dev.perseid.inference.Failure;
import dev.perseid.inference.ModelSignature;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import dev.perseid.settle.AnswerOpener;
import dev.perseid.settle.SealException;
import dev.perseid.settle.Sealed;
import dev.perseid.settle.SealedRequest;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A pool seen from a consumer's own machine, for a gateway that runs there and holds the
/// consumer's key: requests are placed over gRPC, on the consumer's account. With sealing on, the
/// pool routes what it cannot read; only providers that take sealed requests are then in the
/// catalog.
///
/// Safe for any thread; nothing but [#open] and [#close] blocks.
public final class RemoteMarket implements Market, AutoCloseable {
  /// Pauses between two tries to follow the catalog again.
  private static final long FIRST_PAUSE_MS = 200;

  private static final long LONGEST_PAUSE_MS = 10_000;
  private static final Bill NOTHING = new Bill(0, 0, 0, 0, 0);

  private final PoolClient client;
  private final byte[] key;
  private final Caller caller;
  private final boolean sealed;
  private final Consumer<String> notices;
  private final Optional<Wallet> wallet;
  private final long window;
  private final Thread follower;
  private final CountDownLatch first = new CountDownLatch(1);
  private volatile Catalog catalog = new Catalog(0, List.of(), Map.of());
  private volatile Map<Hash, ModelSignature> takes = Map.of();
  private volatile boolean closing;

  private RemoteMarket(
      PoolClient client,
      String localKey,
      boolean sealed,
      Optional<Wallet> wallet,
      long window,
      Consumer<String> notices) {
    this.client = client;
    this.wallet = wallet;
    this.window = window;
    this.key = localKey.getBytes(StandardCharsets.UTF_8);
    this.caller = new Caller(client.self(), "local");
    this.sealed = sealed;
    this.notices = notices;
    this.follower = Thread.ofVirtual().name("catalog").unstarted(this::follow);
  }

  /// Begins to follow the pool's catalog and waits until it is known.
  ///
  /// @param client the consumer's connection; not closed by this
  /// @param localKey what programs on this machine must show as their API key
  /// @param sealed whether to encrypt every request to its provider
  /// @param notices gets a line for people whenever the pool comes or goes
  /// @throws PoolFailure if the pool does not answer
  public static RemoteMarket open(
      PoolClient client, String localKey, boolean sealed, Consumer<String> notices)
      throws PoolFailure, InterruptedException {
    return open(client, localKey, sealed, Optional.empty(), 0, notices);
  }

  /// As the other, for a pool that asks for vouchers.
  ///
  /// @param wallet signs them before each request that needs one; none to leave that to others
  /// @param window how much may be owed beyond what is proved, microcredits
  public static RemoteMarket open(
      PoolClient client,
      String localKey,
      boolean sealed,
      Optional<Wallet> wallet,
      long window,
      Consumer<String> notices)
      throws PoolFailure, InterruptedException {
    RemoteMarket market = new RemoteMarket(client, localKey, sealed, wallet, window, notices);
    market.learn(client.catalog());
    market.follower.start();
    market.first.await(1, TimeUnit.SECONDS);
    return market;
  }

  private void follow() {
    long pauseMs = FIRST_PAUSE_MS;
    boolean lost = false;
    while (!closing) {
      try {
        boolean wasLost = lost;
        client.followCatalog(part -> {
          if (wasLost) {
            notices.accept("the pool is back");
          }
          learn(part);
          first.countDown();
        });
        lost = false;
        pauseMs = FIRST_PAUSE_MS;
      } catch (PoolFailure e) {
        if (!closing && !lost) {
          notices.accept("the pool cannot be reached: " + e.getMessage());
        }
        lost = true;
        catalog = new Catalog(catalog.version() + 1, catalog.models(), Map.of());
      }
      try {
        TimeUnit.MILLISECONDS.sleep(pauseMs);
      } catch (InterruptedException e) {
        return;
      }
      pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
    }
  }

  private void learn(Proto.CatalogPart part) {
    List<Model> models = new ArrayList<>();
    Map<Hash, List<Listing>> listings = new HashMap<>();
    Map<Hash, ModelSignature> signatures = new HashMap<>();
    for (Proto.ListedModel listed : part.getModelsList()) {
      try {
        Model model = ModelParts.read(listed.getModel());
        if (listed.getWithdrawn()) {
          continue;
        }
        models.add(model);
        if (listed.hasTensors()) {
          signatures.put(model.manifest(), InferenceParts.read(listed.getTensors()));
        }
        List<Listing> offers = new ArrayList<>();
        for (Proto.ListedOffer offer : listed.getOffersList()) {
          Listing listing = listing(model, offer);
          if (!sealed || listing.offer().sealKey().isPresent()) {
            offers.add(listing);
          }
        }
        listings.put(model.manifest(), offers);
      } catch (Malformed e) {
        notices.accept("the pool lists a malformed model: " + e.getMessage());
      }
    }
    takes = Map.copyOf(signatures);
    catalog = new Catalog(part.getVersion(), List.copyOf(models), Map.copyOf(listings));
  }

  @Override
  public Optional<ModelSignature> signature(Hash model) {
    return Optional.ofNullable(takes.get(model));
  }

  private static Listing listing(Model model, Proto.ListedOffer o) throws Malformed {
    ModelOffer offer = ModelParts.read(o.getOffer());
    return new Listing(
        Translation.hash(o.getOfferHash(), "offer_hash"),
        offer,
        model,
        new Live(
            o.getReachable(),
            o.getRunning(),
            o.getWaiting(),
            figure(o.hasFirstTokenMs(), o.getFirstTokenMs()),
            figure(o.hasFirstTokenP90Ms(), o.getFirstTokenP90Ms()),
            figure(o.hasTokensPerS(), o.getTokensPerS()),
            Math.clamp(o.getFailedShare(), 0.0, 1.0),
            o.hasMicrojoulesPerToken()
                ? OptionalLong.of(o.getMicrojoulesPerToken())
                : OptionalLong.empty(),
            o.getTrustPermille(),
            o.hasHonours() ? Optional.of(InferenceParts.read(o.getHonours())) : Optional.empty()));
  }

  private static OptionalDouble figure(boolean present, double value) {
    return present && Double.isFinite(value) && value >= 0
        ? OptionalDouble.of(value)
        : OptionalDouble.empty();
  }

  /// Who pays for everything here.
  public Caller local() {
    return caller;
  }

  @Override
  public Optional<Caller> caller(String apiKey) {
    return MessageDigest.isEqual(key, apiKey.getBytes(StandardCharsets.UTF_8))
        ? Optional.of(caller)
        : Optional.empty();
  }

  @Override
  public Catalog catalog() {
    return catalog;
  }

  /// None: the pool and the provider count.
  @Override
  public Optional<Tokens> tokens(Hash model) {
    return Optional.empty();
  }

  @Override
  public Placed ask(
      Caller who, Listing listing, Request request, long maxTokens, Receiver receiver) {
    byte[] body = request.body();
    AnswerOpener opener = null;
    if (sealed) {
      try {
        SealedRequest seal =
            Sealed.request(
                listing.offer().sealKey().orElseThrow(),
                request.id(),
                Seal.bound(listing.offerHash(), request.api(), request.stream()),
                body);
        body = seal.bytes();
        opener = seal.answer();
      } catch (SealException e) {
        receiver.failed(new Failure(Failure.Kind.INVALID, String.valueOf(e.getMessage())), NOTHING);
        return new Placed.Running(() -> {});
      }
    }
    Inflow inflow = new Inflow(receiver, opener, request);
    Proto.AskRequest asked =
        Proto.AskRequest.newBuilder()
            .setRequestId(request.id())
            .setOffer(Translation.bytes(listing.offerHash()))
            .setApi(request.api().word())
            .setBody(UnsafeByteOperations.unsafeWrap(body))
            .setStream(request.stream())
            .setSealed(sealed)
            .setMaxTokens(maxTokens)
            .build();
    if (wallet.isEmpty()) {
      inflow.cancelWith(client.ask(asked, inflow));
    } else {
      // Signing asks the pool first, which takes a moment.
      long most = most(listing.offer(), request, body.length, maxTokens);
      Thread.ofVirtual()
          .name("pays")
          .start(() -> {
            cover(wallet.get(), most, inflow);
            if (!inflow.isStopped()) {
              inflow.cancelWith(client.ask(asked, inflow));
            } else {
              inflow.onError(Status.CANCELLED.asRuntimeException());
            }
          });
    }
    return new Placed.Running(inflow::cancel);
  }

  private void cover(Wallet from, long most, Inflow inflow) {
    try {
      Wallet.Look look = from.cover(client.purse(Optional.empty()), most, window);
      if (look instanceof Wallet.Look.Lacking(String why)) {
        inflow.unpaidFor(why);
      }
    } catch (PoolFailure e) {
      inflow.unpaidFor(String.valueOf(e.getMessage()));
    }
  }

  /// The most that a request may cost, without knowing the model's tokens: one has at least a byte.
  private static long most(ModelOffer offer, Request request, int bytes, long maxTokens) {
    long prompt = request.api() == Api.INFER ? 0 : bytes;
    long rows = Rows.of(request.api(), request.body());
    long most = Math.max(0, maxTokens);
    return Math.max(
        offer.price().charge(prompt, 0, most, rows),
        offer.price().charge(prompt, prompt, most, rows));
  }

  /// The answer to one request as it comes in.
  private static final class Inflow implements StreamObserver<Proto.AskPart> {
    private final Receiver receiver;
    private final @Nullable AnswerOpener opener;
    private final Request request;

    /// Of a sealed answer, which the pool cannot look into.
    private final @Nullable AnswerScan scan;

    private @Nullable Runnable stop;
    private volatile String unpaid = "";
    private long openedBytes;
    private boolean stopped;
    private boolean ended;

    Inflow(Receiver receiver, @Nullable AnswerOpener opener, Request request) {
      this.receiver = receiver;
      this.opener = opener;
      this.request = request;
      this.scan =
          opener == null || request.api() == Api.INFER ? null : new AnswerScan(request.api());
    }

    /// Why no voucher was signed, for the case that the pool wants one.
    void unpaidFor(String why) {
      unpaid = why;
    }

    synchronized boolean isStopped() {
      return stopped;
    }

    void cancelWith(Runnable how) {
      boolean now;
      synchronized (this) {
        stop = how;
        now = stopped;
      }
      if (now) {
        how.run();
      }
    }

    void cancel() {
      Runnable how;
      synchronized (this) {
        stopped = true;
        how = stop;
      }
      if (how != null) {
        how.run();
      }
    }

    private synchronized boolean first() {
      boolean first = !ended;
      ended = true;
      return first;
    }

    @Override
    public void onNext(Proto.AskPart part) {
      switch (part.getWhatCase()) {
        case JSON -> json(part.getJson().toByteArray(), part.getTokens());
        case END -> end(part.getEnd());
        case WHAT_NOT_SET -> {}
      }
    }

    private void json(byte[] bytes, long tokens) {
      byte[] text = bytes;
      if (opener != null) {
        try {
          text = opener.open(bytes);
        } catch (SealException e) {
          broken(String.valueOf(e.getMessage()));
          return;
        }
        openedBytes += text.length;
        // A token has at least one byte: a provider that says more charges for what it did not
        // send.
        if (tokens > openedBytes) {
          broken("the provider counts " + tokens + " tokens in " + openedBytes + " bytes");
          return;
        }
        String wrong = looked(text);
        if (!wrong.isEmpty()) {
          broken(wrong);
          return;
        }
      }
      synchronized (this) {
        if (ended) {
          return;
        }
      }
      if (text.length > 0) {
        receiver.part(text);
      }
    }

    /// What is wrong with an opened part, or nothing.
    private String looked(byte[] text) {
      AnswerScan s = scan;
      if (s == null || text.length == 0) {
        return "";
      }
      try {
        if (request.stream()) {
          s.chunk(text);
        } else {
          s.whole(text);
        }
        return s.error() ? "the provider sent an error in the place of an answer" : "";
      } catch (BrokenAnswer e) {
        return "the provider's answer is broken: " + e.what();
      }
    }

    private boolean cut() {
      return scan != null && request.api() != Api.EMBEDDING && !scan.complete(1);
    }

    /// First ends the call, then tells: whoever hears of it may ask again at once, and a reset that
    /// overtakes the next call's start costs the whole connection (Helidon 4.5 takes it for one of
    /// a stream that never was).
    private void broken(String why) {
      boolean first = first();
      cancel();
      if (first) {
        receiver.failed(new Failure(Failure.Kind.BROKEN, why), NOTHING);
      }
    }

    /// The call is over by itself.
    private void brokenAtEnd(String why) {
      if (first()) {
        receiver.failed(new Failure(Failure.Kind.BROKEN, why), NOTHING);
      }
    }

    private void end(Proto.AskEnd end) {
      Bill bill =
          new Bill(
              end.getPromptTokens(),
              end.getCachedTokens(),
              end.getCompletionTokens(),
              end.getRows(),
              end.getCharge());
      if (!end.hasFailure() && opener != null && !opener.complete()) {
        brokenAtEnd("the sealed answer ended before its last part");
      } else if (!end.hasFailure() && cut()) {
        brokenAtEnd("the provider ended its answer in the middle");
      } else if (first()) {
        if (end.hasFailure()) {
          Failure failure = InferenceParts.read(end.getFailure());
          receiver.failed(
              failure.kind() == Failure.Kind.UNPAID && !unpaid.isEmpty()
                  ? new Failure(Failure.Kind.UNPAID, unpaid)
                  : failure,
              bill);
        } else {
          receiver.done(bill);
        }
      }
    }

    @Override
    public void onError(Throwable t) {
      if (!first()) {
        return;
      }
      boolean wanted;
      synchronized (this) {
        wanted = stopped;
      }
      Status status = Status.fromThrowable(t);
      String why = status.getDescription() == null ? "" : ": " + status.getDescription();
      receiver.failed(
          wanted
              ? new Failure(Failure.Kind.CANCELLED, "given up")
              : new Failure(
                  Failure.Kind.BROKEN,
                  "the pool's connection was lost (" + status.getCode() + why + ")"),
          NOTHING);
    }

    @Override
    public void onCompleted() {
      if (first()) {
        receiver.failed(
            new Failure(Failure.Kind.BROKEN, "the pool ended the answer without a word"), NOTHING);
      }
    }
  }

  @Override
  public void close() {
    closing = true;
    follower.interrupt();
  }
}
