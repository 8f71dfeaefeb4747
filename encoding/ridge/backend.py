"""numpy on the CPU, torch on the CPU or a GPU: what the two do not spell alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.linalg
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


class Array(Protocol):
    """A numpy array or a torch tensor: the operations that both have under the same name.

    Any other operand is a number or an array of the same library, any key what both are sliced by.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def T(self) -> Array:
        """Transpose."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Array]: ...
    def __getitem__(self, key: Any, /) -> Array: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
    def __float__(self) -> float: ...
    def __abs__(self) -> Array: ...
    def __neg__(self) -> Array: ...
    def __add__(self, other: Any, /) -> Array: ...
    def __radd__(self, other: Any, /) -> Array: ...
    def __sub__(self, other: Any, /) -> Array: ...
    def __mul__(self, other: Any, /) -> Array: ...
    def __rmul__(self, other: Any, /) -> Array: ...
    def __truediv__(self, other: Any, /) -> Array: ...
    def __pow__(self, other: Any, /) -> Array: ...
    def __matmul__(self, other: Any, /) -> Array: ...
    def any(self) -> bool:
        """Test whether any element is true."""

    def sum(self, axis: int, /) -> Array:
        """Sum over an axis."""

    def mean(self) -> Array:
        """Average all elements."""

    def min(self) -> Array:
        """Find the smallest element."""

    def max(self) -> Array:
        """Find the largest element."""

    def clip(self, least: float, /) -> Array:
        """Limit elements from below."""

    def reshape(self, *shape: int) -> Array:
        """Change the shape."""


BACKENDS = ("numpy", "torch", "torch_cuda")
MATMUL_PRECISIONS = ("highest", "high", "medium")


class Arrays:
    """One array library and device.

    numpy computes parts of the voxels side by side, a BLAS thread each: the work between matrix
    products is shared out too. torch runs one operation after another and shares out each.

    Attributes
    ----------
    xp : the module, numpy or torch; both spell matmul, einsum, linalg.eigh, … alike
    workers : threads of the numpy backend, by default as many as BLAS may use
    """

    def __init__(self, backend: str = "numpy", workers: int | None = None) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"unknown backend '{backend}'; choose {', '.join(BACKENDS)}")
        self.backend = backend
        self.device = "cuda" if backend == "torch_cuda" else "cpu"
        self.workers = 1
        if backend == "numpy":
            self.xp: Any = np
            self.workers = workers or _blas_threads()
        else:
            import torch

            if backend == "torch_cuda" and not torch.cuda.is_available():
                raise ValueError("backend torch_cuda: torch sees no GPU; choose numpy or torch")
            self.xp = torch

    @property
    def out_of_memory(self) -> tuple[type[Exception], ...]:
        """Exceptions of a device without room for an array."""
        return () if self.xp is np else (self.xp.OutOfMemoryError,)

    def asarray(self, values: Array | npt.ArrayLike, dtype: str | None = None) -> Array:
        """Values on the device; `dtype` is a numpy name."""
        if self.xp is np:
            return self.xp.asarray(values, dtype=dtype)
        to = getattr(self.xp, dtype) if dtype else None
        return self.xp.as_tensor(values, dtype=to, device=self.device)

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Allocate an array on the device."""
        if self.xp is np:
            return self.xp.empty(shape, dtype)
        return self.xp.empty(shape, dtype=getattr(self.xp, dtype), device=self.device)

    def to_numpy(self, values: Any) -> np.ndarray:
        """Copy an array of the backend to numpy."""
        return values if isinstance(values, np.ndarray) else values.cpu().numpy()

    def total(self, values: Any) -> Array:
        """Sum of each row in float64."""
        return values.sum(1, dtype=self.xp.float64)

    def contiguous(self, values: Any) -> Array:
        """Rows one after another in memory."""
        return self.xp.ascontiguousarray(values) if self.xp is np else values.contiguous()

    def thin_qr(self, matrix: Array) -> tuple[Array, Array]:
        """Orthonormal columns, as many as the smaller side, and an upper triangle."""
        if self.xp is np:
            return scipy.linalg.qr(matrix, mode="economic", check_finite=False)
        return self.xp.linalg.qr(matrix)

    def full_qr(self, matrix: Array) -> tuple[Array, Array]:
        """Decompose as `thin_qr`, with as many orthonormal columns as there are rows."""
        if self.xp is np:
            return scipy.linalg.qr(matrix, check_finite=False)
        return self.xp.linalg.qr(matrix, mode="complete")

    def solve_positive(self, matrix: Array, right: Array) -> Array:
        """matrix⁻¹ right by Cholesky, for a symmetric positive definite matrix."""
        if self.xp is np:
            return scipy.linalg.solve(matrix, right, assume_a="pos", check_finite=False)
        return self.xp.cholesky_solve(right, self.xp.linalg.cholesky(matrix))

    def cholesky(self, matrix: Array) -> Array | None:
        """Lower triangle T of a symmetric matrix T Tᵀ, which is overwritten.

        None if it is not positive definite.
        """
        if self.xp is not np:
            triangle, failed = self.xp.linalg.cholesky_ex(matrix)
            return None if failed else triangle
        decompose = scipy.linalg.get_lapack_funcs("potrf", (matrix,))
        # symmetric: the transpose has the order in memory that LAPACK overwrites
        triangle, failed = decompose(matrix.T, lower=True, overwrite_a=True)
        return None if failed else triangle

    def solve_factored(self, triangle: Array, right: Array) -> Array:
        """(T Tᵀ)⁻¹ right for a triangle T of `cholesky`."""
        if self.xp is np:
            return scipy.linalg.cho_solve((triangle, True), right, check_finite=False)
        return self.xp.cholesky_solve(right, triangle)

    def inverse_positive(self, matrix: Array) -> Array | None:
        """Inverse of a symmetric matrix; None if it is not positive definite."""
        if self.xp is not np:
            triangle, failed = self.xp.linalg.cholesky_ex(matrix)
            return None if failed else self.xp.cholesky_inverse(triangle)
        decompose, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
        triangle, failed = decompose(matrix, lower=True)
        if failed:
            return None
        lower = self.xp.tril(invert(triangle, lower=True, overwrite_c=True)[0])
        return lower + self.xp.tril(lower, -1).T

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """[function(item) for item in items], side by side where that is faster."""
        if self.xp is not np:
            return [function(item) for item in items]
        with _blas().limit(limits=1), ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(function, items))


@contextmanager
def matmul_precision(arrays: Arrays, precision: str) -> Iterator[None]:
    """Let torch round the operands of float32 products: "high" to TF32, "medium" to bfloat16.

    "highest" is float32, and all that numpy knows.
    """
    if precision not in MATMUL_PRECISIONS:
        raise ValueError(
            f"unknown matmul precision '{precision}'; choose {', '.join(MATMUL_PRECISIONS)}"
        )
    if arrays.xp is np:
        if precision != "highest":
            raise ValueError(f"matmul precision '{precision}' needs a torch backend")
        yield
        return
    before = arrays.xp.get_float32_matmul_precision()
    arrays.xp.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        arrays.xp.set_float32_matmul_precision(before)


@cache
def _blas() -> ThreadpoolController:
    """Find the threads of numpy's and scipy's BLAS, once: each step of a fit limits them."""
    return ThreadpoolController().select(user_api="blas")


def _blas_threads() -> int:
    threads = [pool["num_threads"] for pool in _blas().info()]
    return max(threads, default=os.cpu_count() or 1)
