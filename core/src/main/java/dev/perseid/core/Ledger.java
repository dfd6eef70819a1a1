package dev.perseid.core;

import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Double-entry bookkeeping in microcredits: issuance (which goes below zero), an account for each
/// address, and a reservation for each job, which the job holds. Every movement takes from one
/// account what it gives to another, so the sum of all is always 0.
final class Ledger {
  final Account issuance = new Account();
  private final TreeMap<Address, Account> accounts = new TreeMap<>();

  /// The account of an address, made on first use.
  Account of(Address address) {
    return accounts.computeIfAbsent(address, a -> new Account());
  }

  @Nullable Account find(Address address) {
    return accounts.get(address);
  }

  int size() {
    return accounts.size();
  }

  /// All accounts, ordered by address.
  SortedMap<Address, Account> accounts() {
    return accounts;
  }

  void grant(Account to, long amount) {
    if (amount < 0) {
      throw new IllegalStateException("a grant of " + amount);
    }
    issuance.balance = Math.subtractExact(issuance.balance, amount);
    to.balance = Math.addExact(to.balance, amount);
  }

  /// Moves `amount`; the giver must have it.
  void move(Account from, Account to, long amount) {
    if (amount < 0 || amount > from.balance) {
      throw new IllegalStateException(
          "cannot move " + amount + " microcredits out of an account of " + from.balance);
    }
    from.balance -= amount;
    to.balance = Math.addExact(to.balance, amount);
  }

  /// The reverse of a grant: what leaves the books.
  void takeBack(Account from, long amount) {
    move(from, issuance, amount);
  }

  /// Moves to what an account is due.
  void toDue(Account from, Account to, long amount) {
    if (amount < 0 || amount > from.balance) {
      throw new IllegalStateException(
          "cannot move " + amount + " microcredits out of an account of " + from.balance);
    }
    from.balance -= amount;
    to.due = Math.addExact(to.due, amount);
  }

  /// The reverse: what an account is due goes back to where it came from.
  void fromDue(Account from, Account to, long amount) {
    takeDue(from, amount);
    to.balance = Math.addExact(to.balance, amount);
  }

  /// What an account is due leaves the books.
  void takeBackDue(Account from, long amount) {
    takeDue(from, amount);
    issuance.balance += amount;
  }

  /// What an account is due can be spent.
  void freeDue(Account account, long amount) {
    fromDue(account, account, amount);
  }

  /// All of it.
  void freeDue(Account account) {
    freeDue(account, account.due);
  }

  private static void takeDue(Account account, long amount) {
    if (amount < 0 || amount > account.due) {
      throw new IllegalStateException(
          "cannot take " + amount + " microcredits out of dues of " + account.due);
    }
    account.due -= amount;
  }

  /// What was promised is not there: it leaves the books out of an account that goes below zero.
  void lose(Account losses, long amount) {
    if (amount < 0) {
      throw new IllegalStateException("a loss of " + amount);
    }
    losses.balance = Math.subtractExact(losses.balance, amount);
    issuance.balance = Math.addExact(issuance.balance, amount);
  }
}
