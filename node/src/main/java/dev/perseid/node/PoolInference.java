package dev.perseid.node;

import com.google.protobuf.UnsafeByteOperations;
import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Rejection;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Api;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.InferenceGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.Context;
import io.grpc.stub.StreamObserver;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The streams of providers that serve models, and the requests of consumers' own gateways.
final class PoolInference extends InferenceGrpc.InferenceImplBase {
  private final PoolMill mill;
  private final PoolMarket market;
  private final int poolPermille;
  private final ConcurrentHashMap<Address, Integer> asking = new ConcurrentHashMap<>();

  PoolInference(PoolMill mill, PoolMarket market, int poolPermille) {
    this.mill = mill;
    this.market = market;
    this.poolPermille = poolPermille;
  }

  // ---- providers ----

  @Override
  public StreamObserver<Proto.FromServing> serve(StreamObserver<Proto.ToServing> out) {
    return new Ear(PoolServer.CALLER.get().caller, out);
  }

  /// Listens to one provider.
  private final class Ear implements StreamObserver<Proto.FromServing> {
    private final Address provider;
    private final StreamObserver<Proto.ToServing> out;
    private @Nullable ServingStream stream;
    private boolean over;

    Ear(Address provider, StreamObserver<Proto.ToServing> out) {
      this.provider = provider;
      this.out = out;
    }

    @Override
    public void onNext(Proto.FromServing message) {
      if (over) {
        return;
      }
      try {
        ServingStream open = stream;
        if (open == null) {
          hello(message);
          return;
        }
        switch (message.getMessageCase()) {
          case HELLO -> offers(open.session, message.getHello());
          case PARTS -> open.parts(message.getParts());
          case HEALTH -> open.health(message.getHealth());
          case SIGNATURE -> market.signed(open, message.getSignature());
          case MESSAGE_NOT_SET -> throw new Malformed("the message is empty");
        }
      } catch (Malformed e) {
        refuse(new Rejection(Rejection.Code.INVALID, String.valueOf(e.getMessage())));
      } catch (PoolJobs.Denied e) {
        refuse(e.rejection);
      } catch (PoolMill.Unavailable e) {
        refuse(new Rejection(Rejection.Code.OVERLOADED, String.valueOf(e.getMessage())));
      }
    }

    private void hello(Proto.FromServing message)
        throws Malformed, PoolJobs.Denied, PoolMill.Unavailable {
      if (!message.hasHello()) {
        throw new Malformed("the first message must be a hello");
      }
      long session = message.getHello().getSession();
      offers(session, message.getHello());
      ServingStream[] opened = new ServingStream[1];
      opened[0] =
          new ServingStream(
              provider,
              session,
              out,
              () -> {
                if (opened[0] != null) {
                  market.closed(opened[0]);
                }
              });
      stream = opened[0];
      market.opened(opened[0]);
      opened[0].send(
          Proto.ToServing.newBuilder()
              .setWelcome(Proto.ServingWelcome.getDefaultInstance())
              .build(),
          0);
      market.refresh();
    }

    private void offers(long session, Proto.ServingHello hello)
        throws Malformed, PoolJobs.Denied, PoolMill.Unavailable {
      if (hello.getOffersCount() > Limits.MODEL_OFFERS_OF_ONE) {
        throw new Malformed(
            "hello.offers has more than " + Limits.MODEL_OFFERS_OF_ONE + " elements");
      }
      List<SignedModelOffer> offers = new ArrayList<>();
      for (Proto.ModelOffer o : hello.getOffersList()) {
        ModelOffer offer = ModelParts.read(o);
        String signature = ModelParts.signature(o);
        Hash hash = Digests.modelOffer(offer);
        if (!Key.recover(hash, signature).equals(Optional.of(provider))) {
          throw new PoolJobs.Denied(
              new Rejection(
                  Rejection.Code.FORBIDDEN,
                  "the signature of the offer of model "
                      + offer.model()
                      + " is not this provider's over its EIP-712 digest "
                      + hash));
        }
        offers.add(new SignedModelOffer(offer, hash, signature));
      }
      switch (mill.command(new Command.OfferModels(provider, session, offers, poolPermille))) {
        case PoolLoop.Reply.Done _ -> market.refresh();
        case PoolLoop.Reply.Refused(Rejection why) -> throw new PoolJobs.Denied(why);
      }
    }

    private void refuse(Rejection why) {
      over = true;
      Proto.ToServing message =
          Proto.ToServing.newBuilder().setRefusal(Translation.write(why)).build();
      ServingStream open = stream;
      if (open == null) {
        out.onNext(message);
        out.onCompleted();
      } else {
        open.send(message, 0);
      }
    }

    @Override
    public void onError(Throwable t) {
      end();
    }

    @Override
    public void onCompleted() {
      end();
    }

    private void end() {
      over = true;
      ServingStream open = stream;
      if (open != null) {
        market.closed(open);
        open.end();
      }
    }
  }

  // ---- consumers ----

  @Override
  public void ask(Proto.AskRequest request, StreamObserver<Proto.AskPart> out) {
    Market.Caller caller = PoolServer.CALLER.get().asCaller();
    Address consumer = caller.account();
    if (asking.merge(consumer, 1, Integer::sum) > MarketLimits.ASKS_OF_ONE) {
      leave(consumer);
      end(
          out,
          new Failure(
              Failure.Kind.BUSY,
              "this account has " + MarketLimits.ASKS_OF_ONE + " requests under way, its limit",
              "",
              "",
              OptionalLong.of(1_000)),
          new Market.Bill(0, 0, 0, 0, 0));
      return;
    }
    try {
      place(caller, request, out);
    } finally {
      leave(consumer);
    }
  }

  private void leave(Address consumer) {
    asking.computeIfPresent(consumer, (_, n) -> n == 1 ? null : n - 1);
  }

  private void place(
      Market.Caller caller, Proto.AskRequest request, StreamObserver<Proto.AskPart> out) {
    PoolJobs.serve(
        out,
        refusal -> out.onError(PoolJobs.denied(refusal)),
        () -> {
          Hash offer = Translation.hash(request.getOffer(), "offer");
          if (!request.getRequestId().matches("[A-Za-z0-9_-]{1,64}")) {
            throw new Malformed("request_id must be 1 to 64 characters of A-Z a-z 0-9 _ -");
          }
          if (request.getBody().size() > MarketLimits.REQUEST_BYTES) {
            throw new Malformed("body has more than " + MarketLimits.REQUEST_BYTES + " bytes");
          }
          Api api;
          try {
            api = Api.of(request.getApi());
          } catch (IllegalArgumentException e) {
            throw new Malformed("api: " + e.getMessage());
          }
          Optional<Market.Listing> listing = market.listing(offer);
          if (listing.isEmpty()) {
            end(
                out,
                new Failure(Failure.Kind.BROKEN, "this offer is not in force any more"),
                new Market.Bill(0, 0, 0, 0, 0));
            return;
          }
          String model = listing.get().model().name();
          if (!caller.rights().mayAsk(model)) {
            throw new PoolJobs.Denied(
                new Rejection(Rejection.Code.FORBIDDEN, "this key may not ask " + model));
          }
          Inbox inbox = new Inbox();
          Request asked =
              new Request(
                  request.getRequestId(),
                  api,
                  listing.get().model().manifest(),
                  request.getBody().toByteArray(),
                  request.getStream());
          switch (market.ask(
              caller, listing.get(), asked, request.getMaxTokens(), request.getSealed(), inbox)) {
            case Market.Placed.Full(String message, long retryAfterMs) ->
                end(
                    out,
                    new Failure(Failure.Kind.BUSY, message, "", "", OptionalLong.of(retryAfterMs)),
                    new Market.Bill(0, 0, 0, 0, 0));
            case Market.Placed.Unpaid(String message) ->
                end(out, new Failure(Failure.Kind.UNPAID, message), new Market.Bill(0, 0, 0, 0, 0));
            case Market.Placed.Running(Runnable cancel) -> {
              Context.current().addListener(_ -> cancel.run(), Runnable::run);
              inbox.pour(out, cancel);
            }
          }
        });
  }

  private static void end(
      StreamObserver<Proto.AskPart> out, @Nullable Failure failure, Market.Bill bill) {
    Proto.AskEnd.Builder end =
        Proto.AskEnd.newBuilder()
            .setPromptTokens(bill.promptTokens())
            .setCachedTokens(bill.cachedTokens())
            .setCompletionTokens(bill.completionTokens())
            .setRows(bill.rows())
            .setCharge(bill.charge());
    if (failure != null) {
      end.setFailure(InferenceParts.write(failure));
    }
    out.onNext(Proto.AskPart.newBuilder().setEnd(end).build());
    out.onCompleted();
  }

  /// What has come for one request and was not yet sent: written by whoever has it, emptied by the
  /// call's own thread (as in [PoolJobs#watch]).
  private static final class Inbox implements PlacedOrder.CountedReceiver {
    private final ArrayDeque<Proto.AskPart> parts = new ArrayDeque<>();
    private long bytes;
    private boolean tooSlow;
    private boolean ended;
    private @Nullable Failure failure;
    private Market.Bill bill = new Market.Bill(0, 0, 0, 0, 0);

    @Override
    public void part(byte[] json) {
      part(json, 0);
    }

    @Override
    public synchronized void part(byte[] json, long tokens) {
      if (parts.size() >= MarketLimits.ASK_MESSAGES
          || bytes + json.length > MarketLimits.ASK_BYTES) {
        tooSlow = true;
      } else {
        parts.add(
            Proto.AskPart.newBuilder()
                .setJson(UnsafeByteOperations.unsafeWrap(json))
                .setTokens(tokens)
                .build());
        bytes += json.length;
      }
      notifyAll();
    }

    @Override
    public synchronized void done(Market.Bill theBill) {
      ended = true;
      bill = theBill;
      notifyAll();
    }

    @Override
    public synchronized void failed(Failure why, Market.Bill theBill) {
      ended = true;
      failure = why;
      bill = theBill;
      notifyAll();
    }

    private synchronized Proto.@Nullable AskPart next() throws InterruptedException {
      while (parts.isEmpty() && !ended && !tooSlow) {
        wait();
      }
      if (tooSlow) {
        return null;
      }
      Proto.AskPart next = parts.poll();
      if (next != null) {
        bytes -= next.getJson().size();
      }
      return next;
    }

    /// Sends all that comes, until the end.
    void pour(StreamObserver<Proto.AskPart> out, Runnable cancel) {
      try {
        for (Proto.AskPart part = next(); part != null; part = next()) {
          out.onNext(part);
        }
        Failure why;
        Market.Bill what;
        synchronized (this) {
          if (tooSlow) {
            failure =
                new Failure(Failure.Kind.CANCELLED, "the answer was not read: it was given up");
          }
          why = failure;
          what = bill;
        }
        end(out, why, what);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } finally {
        cancel.run();
      }
    }
  }
}
