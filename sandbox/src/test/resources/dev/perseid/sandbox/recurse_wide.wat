;; Calls itself without end with a large frame.
(module (memory (export "memory") 1)
  (func $deep (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local.set 39 (i64.add (local.get 0) (i64.const 1)))
    (i64.add (call $deep (local.get 39) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9)) (local.get 39)))
  (func (export "step") (result i32) (i32.wrap_i64 (call $deep (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)))))
