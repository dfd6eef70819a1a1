package dev.perseid.core;

/// What a pool's accounts are made of: where money comes in and goes out, and what backs spending.
/// One microcredit is one unit of the token.
public sealed interface Money {
  /// Credits, which the operator grants and which live in the pool's log alone.
  ///
  /// @param vouched whether consumers sign vouchers for what they owe and earnings are paid out by
  ///   epochs, as on a chain. Otherwise nobody signs, and what is earned can be spent at once
  record Credits(boolean vouched) implements Money {}

  /// A token of six decimals that lies in the purses of an escrow contract. It comes in by deposits
  /// and leaves by payouts and exits.
  ///
  /// @param pool the pool's registered identity, which need not be its key
  record Escrow(long chainId, Address contract, Address token, Address pool) implements Money {}

  /// Whether what is spent must be covered by vouchers.
  default boolean isVouched() {
    return switch (this) {
      case Credits c -> c.vouched();
      case Escrow _ -> true;
    };
  }

  /// The chain that a voucher is signed for; 0 for credits.
  default long voucherChainId() {
    return switch (this) {
      case Credits _ -> 0;
      case Escrow e -> e.chainId();
    };
  }

  /// The contract that a voucher is signed for; for credits the pool's key.
  ///
  /// @param self the pool's key
  default Address voucherContract(Address self) {
    return switch (this) {
      case Credits _ -> self;
      case Escrow e -> e.contract();
    };
  }

  /// The pool that a voucher names: its identity; for credits its key.
  ///
  /// @param self the pool's key
  default Address voucherPool(Address self) {
    return switch (this) {
      case Credits _ -> self;
      case Escrow e -> e.pool();
    };
  }
}
