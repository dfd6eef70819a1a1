package dev.perseid.gateway;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.inference.Request;
import java.util.List;
import java.util.OptionalLong;

/// Who takes payments that come with a request (x402): what the gateway knows of money. In a pool
/// that is the pool, over its ledger and, where it has one, a chain. Amounts are units of the
/// asset, which are microcredits. Safe for any thread; nothing blocks.
public interface Till {
  /// A way to pay that is open now.
  sealed interface Way {
    /// CAIP-2, e.g. `eip155:8453`.
    String network();

    /// What is paid in, as x402 writes it: the token's address, or a currency's name.
    String asset();

    /// Who is paid.
    Address payTo();

    /// What is added to a request's price for taking one payment this way.
    long fee();

    /// x402's scheme `exact` with EIP-3009: the most that a request may cost is transferred before
    /// it begins, what was not used is given back.
    ///
    /// @param name of the token's EIP-712 domain
    /// @param version likewise
    /// @param seconds how long an authorization should be good when it is signed
    record Exact(
        String network,
        Address token,
        Address payTo,
        long fee,
        String name,
        String version,
        int seconds)
        implements Way {
      @Override
      public String asset() {
        return token.toString();
      }
    }

    /// Our scheme of cumulative vouchers: "all that I owe this pool so far".
    ///
    /// @param payTo the pool's identity, which stands in the voucher
    /// @param chainId of the voucher's EIP-712 domain
    /// @param contract likewise
    record Vouchers(String network, String asset, Address payTo, long chainId, Address contract)
        implements Way {
      @Override
      public long fee() {
        return 0;
      }
    }
  }

  /// A payment as it came, not verified.
  sealed interface Payment {
    /// Who pays, as the payment says.
    Address payer();

    /// An authorization of EIP-3009.
    ///
    /// @param from who pays
    /// @param to who is paid
    /// @param value how much
    /// @param validAfterS it counts only later than this, seconds since the epoch
    /// @param validBeforeS it counts only before this
    /// @param nonce that this payer has not used at this token
    /// @param signature hexadecimal digits without `0x`
    record Exact(
        Address from,
        Address to,
        long value,
        long validAfterS,
        long validBeforeS,
        Hash nonce,
        String signature)
        implements Payment {
      @Override
      public Address payer() {
        return from;
      }
    }

    /// A cumulative voucher.
    ///
    /// @param consumer who pays
    /// @param pool who is paid
    /// @param cumulative all that the consumer then owes the pool at most
    /// @param signature hexadecimal digits without `0x`
    record Voucher(Address consumer, Address pool, long cumulative, String signature)
        implements Payment {
      @Override
      public Address payer() {
        return consumer;
      }
    }
  }

  /// What of a request decides what it may cost.
  ///
  /// @param prompt the most tokens that the prompt can be billed as
  /// @param rows the most rows that can be billed
  record Size(long prompt, long rows) {}

  /// A payment that was taken: its payer may spend it on one request.
  interface Paid {
    /// The transaction that moved the money; empty if none did.
    String transaction();

    /// How much moved; empty if nothing did.
    OptionalLong settled();

    /// All that the payer owes the pool, with what ended until now, as far as is known; empty if
    /// nobody keeps an account.
    OptionalLong spent();

    /// The request is over, or never began: what it did not use is given back. Once.
    void over();
  }

  /// Who waits for a payment to be taken. One of the two is called once, from any thread.
  interface Payee {
    void paid(Paid paid);

    void refused(Refusal refusal);
  }

  /// Why a payment was not taken.
  ///
  /// @param reason x402's word for it
  /// @param text what is wrong and what to do, for people
  /// @param blame whether it is the payer's fault, so that who repeats it is stopped
  /// @param settlement whether the payment was sent off and failed then
  /// @param spent all that the payer owes so far, if it proved who it is
  /// @param least the least voucher that would do, likewise
  record Refusal(
      String reason,
      String text,
      boolean blame,
      boolean settlement,
      OptionalLong spent,
      OptionalLong least) {
    /// A payment that is wrong.
    public static Refusal wrong(String reason, String text) {
      return new Refusal(reason, text, true, false, OptionalLong.empty(), OptionalLong.empty());
    }

    /// A payment that cannot be taken now, through no fault of the payer.
    public static Refusal notNow(String reason, String text) {
      return new Refusal(reason, text, false, false, OptionalLong.empty(), OptionalLong.empty());
    }

    /// A payment that was sent off and failed.
    public static Refusal failed(String reason, String text) {
      return new Refusal(reason, text, false, true, OptionalLong.empty(), OptionalLong.empty());
    }

    /// A voucher that is good in itself and not enough.
    public static Refusal tooLittle(String reason, String text, long spent, long least) {
      return new Refusal(
          reason, text, false, false, OptionalLong.of(spent), OptionalLong.of(least));
    }
  }

  /// The ways to pay that are open now, the cheapest first; none if requests cannot be paid one by
  /// one.
  List<Way> ways();

  /// Measures a request to a model.
  ///
  /// @param exactly whether to count the prompt's tokens, where that can be done at once; otherwise
  ///   a bound is taken that costs nothing
  Size size(Request request, boolean exactly);

  /// The most that a request may cost under an offer: what [Market#ask] would hold.
  long most(Market.Listing listing, Size size, long maxTokens);

  /// Verifies a payment, then takes it. The request begins only when it is taken.
  ///
  /// @param way one of [#ways]
  /// @param price the most that the request may cost, the way's fee included
  void take(Way way, Payment payment, long price, Payee payee);
}
