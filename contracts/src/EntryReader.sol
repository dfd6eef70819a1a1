// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an entry of a request to a model says about its bill.
struct Bill {
  address pool;
  address provider;
  bytes32 offer;
  uint8 outcome;
  uint64 charge;
  bool attested;
  uint64 promptTokens;
  uint64 cachedTokens;
  uint64 completionTokens;
  uint64 rows;
  uint64 toAuthor;
  uint64 toPool;
}

/// @title Reads the canonical bytes of an entry, the content of a leaf: docs/formats.md, "Entry (version 2)".
library EntryReader {
  /// @notice These bytes are no entry of a request to a model.
  /// @param place where reading ended.
  error NotAnEntry(uint256 place);

  uint256 private constant MEASURES = 9;

  struct Cursor {
    uint256 place;
  }

  /// @notice Reads all of an entry of version 2, to its very end, and keeps what the bill needs.
  function bill(bytes calldata entry) internal pure returns (Bill memory b) {
    Cursor memory c;
    if (_octet(entry, c) != 2) revert NotAnEntry(0);
    _number(entry, c); // index
    b.pool = _address(entry, c);
    _skip(entry, c, 16); // job
    _number(entry, c); // task
    _text(entry, c); // task name
    _text(entry, c); // kind
    _numbers(entry, c, 2); // attempt, lease
    _skip(entry, c, 20); // consumer
    b.provider = _address(entry, c);
    b.offer = _hash(entry, c);
    _skip(entry, c, 64); // module, arguments
    _blobs(entry, c); // inputs
    _numbers(entry, c, _number(entry, c)); // depends on
    _numbers(entry, c, 6); // gas limit, memory, cores, submitted, ready, assigned
    _optionals(entry, c, 2); // started, ended
    b.outcome = _octet(entry, c);
    _text(entry, c); // reason
    _optionals(entry, c, MEASURES);
    _text(entry, c); // energy by
    _blobs(entry, c); // outputs
    _text(entry, c); // engine
    _text(entry, c); // isolation
    b.charge = _number(entry, c);
    _number(entry, c); // recorded
    b.attested = _flag(entry, c);
    if (b.attested) _numbers(entry, c, 2); // batch, position
    _text(entry, c); // API
    _text(entry, c); // quantisation
    b.promptTokens = _number(entry, c);
    b.cachedTokens = _number(entry, c);
    b.completionTokens = _number(entry, c);
    b.rows = _number(entry, c);
    _optionals(entry, c, 1); // first token
    _skip(entry, c, 20); // author
    b.toAuthor = _number(entry, c);
    b.toPool = _number(entry, c);
    if (c.place != entry.length) revert NotAnEntry(c.place);
  }

  function _octet(bytes calldata entry, Cursor memory c) private pure returns (uint8 value) {
    if (c.place >= entry.length) revert NotAnEntry(c.place);
    value = uint8(entry[c.place++]);
  }

  /// @dev 0 or 1, nothing else.
  function _flag(bytes calldata entry, Cursor memory c) private pure returns (bool) {
    uint8 value = _octet(entry, c);
    if (value > 1) revert NotAnEntry(c.place);
    return value == 1;
  }

  /// @dev Unsigned LEB128 of 64 bits, never longer than needed.
  function _number(bytes calldata entry, Cursor memory c) private pure returns (uint64) {
    uint256 value = 0;
    for (uint256 shift = 0; shift < 70; shift += 7) {
      uint256 octet = _octet(entry, c);
      value |= (octet & 0x7f) << shift;
      if (octet < 0x80) {
        if ((octet == 0 && shift != 0) || value > type(uint64).max) revert NotAnEntry(c.place);
        return uint64(value);
      }
    }
    revert NotAnEntry(c.place);
  }

  function _numbers(bytes calldata entry, Cursor memory c, uint256 count) private pure {
    for (uint256 i = 0; i < count; ++i) {
      _number(entry, c);
    }
  }

  /// @dev Octet 0, or octet 1 and a number (signed ones are numbers too, to a reader that does not want them).
  function _optionals(bytes calldata entry, Cursor memory c, uint256 count) private pure {
    for (uint256 i = 0; i < count; ++i) {
      if (_flag(entry, c)) _number(entry, c);
    }
  }

  function _blobs(bytes calldata entry, Cursor memory c) private pure {
    uint64 count = _number(entry, c);
    for (uint256 i = 0; i < count; ++i) {
      _skip(entry, c, 32);
      _number(entry, c);
    }
  }

  function _text(bytes calldata entry, Cursor memory c) private pure {
    _skip(entry, c, _number(entry, c));
  }

  function _skip(bytes calldata entry, Cursor memory c, uint256 count) private pure {
    c.place += count;
    if (c.place > entry.length) revert NotAnEntry(entry.length);
  }

  function _address(bytes calldata entry, Cursor memory c) private pure returns (address) {
    uint256 from = c.place;
    _skip(entry, c, 20);
    return address(bytes20(entry[from:c.place]));
  }

  function _hash(bytes calldata entry, Cursor memory c) private pure returns (bytes32) {
    uint256 from = c.place;
    _skip(entry, c, 32);
    return bytes32(entry[from:c.place]);
  }
}
