;; Valid, and exports the names that metering uses.
(module (memory (export "memory") 1) (global (export "gas") (mut i64) (i64.const 5)) (global (export "stack") (mut i32) (i32.const 5))
  (func (export "growth_refused")) (func (export "step") (result i32) (global.set 0 (i64.const 7)) (i32.const 1)))
