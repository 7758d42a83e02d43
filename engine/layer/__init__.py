"""Tar streams to directory trees and back: extract, diff, whiteouts, compression."""
