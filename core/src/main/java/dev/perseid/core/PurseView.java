package dev.perseid.core;

import java.util.List;
import java.util.OptionalLong;

/// What can be seen of the backing of a consumer's spending, where vouchers are asked for.
///
/// @param funded all that came in, less what left by exits, microcredits
/// @param spent all that was charged to vouchers
/// @param redeemed what of the vouchers has been redeemed
/// @param prepaid what is left of money that was paid ahead and needs no voucher
/// @param inFlight what open leases may cost, and what is on the tab
/// @param cover what vouchers promise: the highest, or what was redeemed
/// @param lost what was spent and could not be redeemed before its consumer took the money out
/// @param leavingAtUs when the rest may leave; absent if the consumer stays
/// @param vouchers those that may still be redeemed, lowest first
public record PurseView(
    Address consumer,
    long funded,
    long spent,
    long redeemed,
    long prepaid,
    long inFlight,
    long cover,
    long lost,
    OptionalLong leavingAtUs,
    List<Voucher> vouchers) {}
